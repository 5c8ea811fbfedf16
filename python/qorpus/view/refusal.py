"""Requests that a page cannot answer."""

from __future__ import annotations


class Refusal(Exception):
    """A sentence for the user, in place of a page, and the status of the response."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence
