"""Captions translated by a chat model behind an OpenAI-compatible endpoint, as the paper's test sets were (section 3.3).

Captions go and come as JSON lines with numbers, and each line of the answer is checked: what is missing is asked for again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any

from clap.data.translation_file import Translation
from clap.errors import UserError
from clap.languages import CODES, SONAR_CODES, get_language

ENDPOINT_BATCH = 20
TRIES = 6
"""How often a request is repeated that failed, and how many useless answers in a row are borne."""
LONGEST_WAIT_S = 300.0
TIMEOUT_S = 120.0
REFUSALS = {
    401: "refuses the key; set OPENAI_API_KEY to one that it knows",
    403: "refuses the key; set OPENAI_API_KEY to one that may use the model",
    404: "knows no such address or model; see --endpoint and --model",
}
INSTRUCTIONS = (
    "You translate captions of sounds from English into {language}. Each line you get is a JSON object with an id and a text. "
    "Answer with one line for each, in the same order and nothing else: a JSON object with the same id and, as its text, the "
    "translation, which says what the English says and nothing more."
)


class Endpoint:
    """A Translator that asks the chat model `model` at `url`, such as `https://api.openai.com/v1`; without a `key` it sends none.

    Busy and failing servers are asked again, after the time that they ask for. Raises UserError for what waiting does not mend.
    """

    languages: Sequence[str] = SONAR_CODES

    def __init__(self, url: str, model: str, key: str = "", sleep: Callable[[float], None] = time.sleep) -> None:
        if not url.startswith(("http://", "https://")):
            raise UserError(f"An endpoint's address begins with http:// or https://, got {url!r}.")
        if not (key.isascii() and key.isprintable()):
            raise UserError("The endpoint's key holds a sign that no key has, such as a line break; set OPENAI_API_KEY anew.")
        self.name, self._sleep = model, sleep
        self._url = url.rstrip("/").removesuffix("/chat/completions") + "/chat/completions"
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def __call__(self, texts: Sequence[str], target: str) -> list[Translation]:
        """See Translator."""
        found: dict[int, str] = {}
        useless, problem = 0, ""
        while len(found) < len(texts):
            wanted = {number: text for number, text in enumerate(texts, 1) if number not in found}
            got, problem = read_answer(self._ask(wanted, target), wanted)
            useless = 0 if got else useless + 1
            found |= got
            if useless == TRIES:
                raise UserError(
                    f"{self.name} answered {TRIES} times without a usable line ({problem}); try another model or a smaller --batch."
                )
        return [Translation(found[number]) for number in range(1, len(texts) + 1)]

    def _ask(self, texts: dict[int, str], target: str) -> str:
        lines = [json.dumps({"id": number, "text": text}, ensure_ascii=False) for number, text in texts.items()]
        system = INSTRUCTIONS.format(language=f"{get_language(target).name} ({target})" if target in CODES else f"the language {target}")
        messages = [{"role": "system", "content": system}, {"role": "user", "content": "\n".join(lines)}]
        return self._post({"model": self.name, "messages": messages})

    def _post(self, request: dict[str, Any]) -> str:
        """The content of the first choice; waits and repeats where that may help."""
        problem = ""
        for attempt in range(TRIES):
            content, problem, wait = self._try(request, 2.0**attempt)
            if content is not None:
                return content
            if attempt < TRIES - 1:
                self._sleep(wait)
        raise UserError(f"{self._url} cannot be used ({problem}, {TRIES} times); the same command goes on when it can.")

    def _try(self, request: dict[str, Any], wait: float) -> tuple[str | None, str, float]:
        """One request: its content, or None with what was wrong and how many seconds to wait."""
        import httpx

        try:
            response = httpx.post(self._url, json=request, headers=self._headers, timeout=TIMEOUT_S)
        except httpx.InvalidURL as error:
            raise UserError(f"{self._url!r} is no address ({error}); give --endpoint another.") from error
        except httpx.RequestError as error:
            return None, str(error) or type(error).__name__, wait
        status = response.status_code
        if status == 429 or status >= 500:
            return None, f"status {status}", self._wait(response.headers.get("Retry-After"), wait)
        if status != 200:
            raise UserError(f"{self._url} {REFUSALS.get(status, 'refuses the request')} (status {status}: {_reason(response.text)}).")
        content = _content(response.text)
        return content, "an answer that is no chat completion", wait

    def _wait(self, asked: str | None, otherwise: float) -> float:
        """Seconds to wait, which a server gives as a number or a date; UserError where that is too long."""
        seconds = max(_seconds(asked), 0.0) if asked else otherwise
        if seconds > LONGEST_WAIT_S:
            raise UserError(f"{self._url} asks to wait for {seconds:.0f} s; the same command goes on then.")
        return seconds


def read_answer(content: str, texts: dict[int, str]) -> tuple[dict[int, str], str]:
    """The usable translations in an answer, by number, and what was wrong with it, if anything.

    A line is usable when it is an object with one of the numbers in `texts` and a text. An answer with a number twice, or with one that
    nobody asked for, is not trusted at all, since its lines may have shifted.
    """
    found: dict[int, str] = {}
    problem = ""
    for line in filter(None, map(str.strip, content.split("\n"))):
        if line.startswith("```"):
            continue
        row = _line(line)
        if row is None:
            problem = f"a line is no object with id and text: {line[:60]!r}"
        elif row[0] not in texts or row[0] in found:
            return {}, f"the number {row[0]} stands there twice or was not asked for"
        else:
            found[row[0]] = row[1]
    return found, problem or f"{len(found)} lines for {len(texts)} captions"


def _line(line: str) -> tuple[int, str] | None:
    try:
        row = json.loads(line.rstrip(","))
        number, text = row["id"], row["text"]
    except (ValueError, KeyError, TypeError):
        return None
    if not str(number).isdecimal() or not isinstance(text, str) or not text.strip():
        return None
    return int(number), " ".join(text.split())


def _content(body: str) -> str | None:
    try:
        content = json.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    return content if isinstance(content, str) else None


def _reason(body: str) -> str:
    """What a server says of a refusal, cut to a line."""
    with suppress(ValueError, KeyError, TypeError):
        body = json.loads(body)["error"]["message"]
    return " ".join(str(body).split())[:200] or "no reason given"


def _seconds(asked: str) -> float:
    if asked.strip().isdigit():
        return float(asked)
    try:
        return parsedate_to_datetime(asked).timestamp() - time.time()
    except ValueError:
        return 1.0
