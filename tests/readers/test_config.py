import pytest

from kernel.wire.tap import Purpose
from readers.config import Kind, load_config
from readers.errors import ConfigError
from tests.readers.kit import TOML, write_config

GOOD = TOML.format(url="http://127.0.0.1:8000", port=54401, clock="system", removal=300)


def load(tmp_path, text):
    file = tmp_path / "reader.toml"
    file.write_text(text, encoding="utf-8")
    return load_config(file)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('name = "bus-01"', "", "device.name is missing"),
        ('name = "bus-01"', "name = 5", "device.name must be a text"),
        ('name = "bus-01"', 'name = " "', "device.name must not be empty"),
        ('name = "bus-01"', f'name = "{"x" * 65}"', "device.name must be at most 64 bytes"),
        ('name = "bus-01"', 'name = "a\\u0000b"', "device.name must not hold a zero byte"),
        ('kind = "bus"', 'kind = "tram"', "device.kind must be one of bus, metro, parking"),
        ('purpose = "AUTO"', 'purpose = "PARK_IN"', "device.purpose must be one of AUTO, BOARD"),
        ('purpose = "AUTO"', 'purpose = "auto"', "device.purpose must be one of"),
        ('stop_id = "26-01"', "direction = 2", "device.direction must be a whole number from 0 to 1"),
        ('stop_id = "26-01"', "direction = true", "device.direction must be a whole number"),
        ('stop_id = "26-01"', 'zone = "Asia/Nowhere"', "device.zone is no time zone"),
        ('stop_id = "26-01"', 'colour = "red"', "device.colour is not a setting"),
        ('url = "http://127.0.0.1:8000"', 'url = "ftp://x"', "server.url must look like"),
        ('url = "http://127.0.0.1:8000"', 'url = "http://x/?q=1"', "server.url must look like"),
        ('url = "http://127.0.0.1:8000"', 'url = "http://[x"', "server.url must look like"),
        ('url = "http://127.0.0.1:8000"', 'url = "http://x:99999"', "server.url must look like"),
        ('stop_id = "26-01"', 'zone = "Asia"', "device.zone is no time zone"),
        ("timeout_s = 2", f"timeout_s = {'9' * 5000}", "is not TOML"),
        ("timeout_s = 2", f"timeout_s = {'[' * 9000}", "is not TOML"),
        ("timeout_s = 2", 'timeout_s = "2"', "server.timeout_s must be a number"),
        ("timeout_s = 2", "timeout_s = nan", "server.timeout_s must be a number"),
        ("timeout_s = 2", "batch = 1001", "server.batch must be a whole number from 1 to 1000"),
        ('dir = "state"', "", "state.dir is missing"),
        (
            "wait_removal_ms = 300",
            "wait_removal_ms = -1",
            "reader.wait_removal_ms must be a whole number from 0",
        ),
        ("[lamp]\nterminal = false", "[lamp]\nterminal = 0", "lamp.terminal must be true or false"),
        ("[clock]", "[clocks]", r"\[clocks\] is not a table"),
        ("[clock]", "[clock", "is not TOML"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(tmp_path, old, new, key):
    assert old in GOOD
    with pytest.raises(ConfigError, match=key) as refusal:
        load(tmp_path, GOOD.replace(old, new))
    assert "reader.toml" in str(refusal.value)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read"):
        load_config(tmp_path / "nowhere.toml")


def test_text_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "reader.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_config(tmp_path / "reader.toml")


def test_a_value_instead_of_a_table_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"\[device\] must be a table"):
        load(tmp_path, 'device = "x"')


def test_parking_needs_a_purpose_and_a_vehicle_class(tmp_path):
    parking = GOOD.replace('kind = "bus"', 'kind = "parking"')
    with pytest.raises(ConfigError, match=r"device\.purpose must be one of PARK_IN, PARK_OUT"):
        load(tmp_path, parking)
    with pytest.raises(ConfigError, match=r"device\.vehicle_class is missing"):
        load(tmp_path, parking.replace("AUTO", "PARK_IN"))
    config = load(tmp_path, parking.replace("AUTO", "PARK_IN").replace("stop_id", "vehicle_class"))
    assert (config.device.kind, config.device.purpose) == (Kind.PARKING, Purpose.PARK_IN)


def test_paths_are_relative_to_the_file_and_defaults_hold(tmp_path):
    config = load_config(write_config(tmp_path))
    assert config.state_dir == tmp_path / "state"
    assert config.journal.path == tmp_path / "state" / "journal.sqlite"
    assert config.lamp.events == tmp_path / "events.jsonl"
    assert config.device.zone.key == "Asia/Ho_Chi_Minh"
    assert (config.server.batch, config.gate.barrier) == (200, None)
