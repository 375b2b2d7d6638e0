"""Feedback command: tells the gateway what a picture shows that was answered wrongly."""

import click

from vitrine_client.cli import completion_values, options
from vitrine_client.cli.gateway import GatewayOptions, gateway_options
from vitrine_client.cli.output import tables
from vitrine_client.client import Client
from vitrine_client.errors import InvalidRequest
from vitrine_client.http.default_model import PREFERRED
from vitrine_client.process.visible import visible
from vitrine_client.results.feedback import Feedback


@click.command(short_help="Say what a picture shows that was answered wrongly.")
@click.argument("request_id")
@click.argument("label")
@click.option(
    "--index",
    type=click.IntRange(min=0),
    default=0,
    help="Which picture of that request, from 0.",
)
@click.option(
    "--model",
    default=PREFERRED,
    show_default=True,
    shell_complete=completion_values.model_names,
    help="Which model had answered.",
)
@tables.as_json
@gateway_options
def feedback(
    request_id: str,
    label: str,
    index: int,
    model: str,
    as_json: bool,
    gateway: GatewayOptions,
) -> None:
    """Say that a picture of the request REQUEST_ID shows a LABEL, and not what was answered.

    \b
    vitrine predict shoe.png coat.png --json       each line has request_id, index and model
    vitrine feedback 7f0c1e… Coat --index 1        the second of that request is a coat
    vitrine feedback 7f0c1e… "Ankle boot" --model mlp

    LABEL is the name of one of the model's classes (`vitrine profile` shows them), or its number. A
    picture has one label, the first; the same again changes nothing. The gateway has to take
    feedback (VITRINE_FEEDBACK_LOG) and needs a key. `vitrine-train train --with-feedback` learns
    from it where the gateway kept the pictures.

    Exit code 1: it is not noted, as the picture was flagged with another label, or there is no such
    class or model.
    """
    with options.friendly(), gateway.client() as client:
        found = _sent(client, request_id, label, index, model)
    if as_json:
        tables.print_json(found.to_dict())
        return
    noted = "was noted before" if found.again else "is noted"
    told = f"Picture {found.index} of request {found.request_id} {noted} as {found.label}"
    options.console.print(visible(told), markup=False, soft_wrap=True)


def _sent(client: Client, request_id: str, label: str, index: int, model: str) -> Feedback:
    """Sends a label; digits that no class is named are a class id."""
    try:
        return client.send_feedback(request_id, label, index, model=model)
    except InvalidRequest:
        if not (label.isascii() and label.isdecimal() and len(label) < 10):
            raise
        return client.send_feedback(request_id, int(label), index, model=model)
