"""What tests of the monitoring share with others: a model server that costs nothing, a loop."""

from tests.e2e.conftest import model_server
from tests.serving.conftest import runner

__all__ = ["model_server", "runner"]
