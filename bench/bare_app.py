"""The baseline of the web benches: a Flask application that parses a JSON body and answers with one."""

from flask import Flask, Response, jsonify, request

app = Flask(__name__)


@app.post("/v1/decisions")
def decide() -> Response:
    """Answer from the body alone."""
    asked = request.get_json()
    return jsonify(card_serial=asked["card_serial"], decision="accept", amount=asked["amount"])
