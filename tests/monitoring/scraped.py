"""What a gateway answers at /metrics, read by the library's own parser."""

from typing import Self

import requests
from prometheus_client.parser import text_string_to_metric_families


class Scraped:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self._samples = [sample for family in self.families for sample in family.samples]

    @classmethod
    def of(cls, url: str) -> Self:
        """Scrapes a gateway, over a connection of its own."""
        answer = requests.get(f"{url}/metrics", timeout=30)
        assert answer.status_code == 200, answer.text
        return cls(answer.text)

    def total(self, name: str, **labels: str) -> float:
        """The sum of all samples with this name that have these labels among theirs; 0 if none."""
        return sum(
            sample.value
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def labels(self, name: str) -> list[dict[str, str]]:
        """The labels of each sample with this name."""
        return [sample.labels for sample in self._samples if sample.name == name]
