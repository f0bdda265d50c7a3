"""A person at a browser reads a page where a machine reads a problem document."""

import pytest

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("language", "says"), [("vi", "Không tìm thấy trang"), ("en", "There is nothing at this address.")]
)
def test_a_browser_is_shown_a_page_in_its_language(client, language, says):
    reply = client.get(f"/nowhere?lang={language}", headers=BROWSER)
    assert (reply.status_code, reply.mimetype) == (404, "text/html")
    assert says in reply.text
    assert reply.headers["X-Request-ID"] in reply.text
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/problem+json", ""])
def test_a_machine_reads_a_problem_document(client, accept):
    reply = client.get("/nowhere", headers={"Accept": accept})
    assert (reply.status_code, reply.content_type) == (404, "application/problem+json")
    assert reply.json["status"] == 404


@pytest.mark.parametrize("path", ["/v1/nowhere", "/v1/routes", "/problems/none"])
def test_the_api_answers_as_the_api_even_in_a_browser(client, path):
    reply = client.get(path, headers=BROWSER)
    assert reply.status_code in {404, 401}
    assert reply.content_type == "application/problem+json"


def test_a_page_that_does_not_take_the_method_says_so(client):
    reply = client.delete("/sign-in", headers=BROWSER)
    assert (reply.status_code, reply.mimetype) == (405, "text/html")
    assert "Không thực hiện được" in reply.text
