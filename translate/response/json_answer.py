"""The one JSON document of an answer that has to be JSON: what stands around it is left out.

A model that is only told the form puts it into a fence, or writes a sentence before it. Where a
document begins is seen from its first characters, so it is shown as it comes; each character is
looked at once. What has one reading is repaired: a comma before an end, a line break in a string,
Python's words, an integer that is written as a float.
Source: RFC 8259.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from enum import Enum, auto

from ..wire import Json
from .answer_schema import PYTHON_WORDS, SCALAR_STARTS, AnswerSchema
from .chunks import MAX_DEPTH
from .escaped_json import unescape
from .integers import SchemaPath
from .scalar_answer import MAX_SENTENCE, SCALAR, find_scalar

MAX_UNCERTAIN = 4_096
"""Characters that may be kept back until a `:`, a `,` or the end says that this is JSON and no
brace of a sentence. A key is much shorter; what has held for so long is JSON."""

MAX_SCALAR = 1_024
"""Characters of a number: 309 digits are all that a double has."""

CLOSERS = {"{": "}", "[": "]"}

BLANKS = re.compile(r"[ \t\n\r]*")
BLANKS_OR_END = " \t\n\r]"
BLANKS_AND_BOM = " \t\n\r\ufeff"
FENCE = re.compile(r"```\w{0,16}\s+")
FENCE_SO_FAR = re.compile(r"`{0,2}|```\w{0,16}\s*")
"""With the name of a language; it is kept until what follows has come."""
PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
"""In a string: all but its end, an escape, and what JSON does not allow there."""
WORD = re.compile(r"[-+.\w]*", re.ASCII)
SCALAR_START = frozenset("".join(SCALAR_STARTS.values()))
VALUE_START = SCALAR_START | {word[0] for word in PYTHON_WORDS}
"""Of a scalar within a document."""
ESCAPED = frozenset('"\\/bfnrt')
HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


class State(Enum):
    """What comes next."""

    PRELUDE = auto()
    """Blanks, or a fence: a scalar counts at the very beginning only, as any sentence has some."""
    START = auto()
    VALUE = auto()
    FIRST_VALUE = auto()
    """Or the end of the array."""
    KEY = auto()
    FIRST_KEY = auto()
    """Or the end of the object."""
    COLON = auto()
    COMMA = auto()
    """Or the end of what is open."""
    STRING = auto()
    ESCAPE = auto()
    SCALAR = auto()
    END = auto()
    BROKEN = auto()
    """It is no JSON after all, or wrong, and some of it was shown."""


class JsonAnswer:
    """Finds the first document in a text that comes in pieces.

    schema: of the document. is_enforced: whether Gemini itself was given it (see answer_schema.py).
    """

    def __init__(self, schema: Json, *, is_enforced: bool = False) -> None:
        self._schema = AnswerSchema(schema, is_enforced=is_enforced)
        brackets = self._schema.brackets
        self._start = re.compile(f"[{re.escape(brackets)}]" if brackets else "(?!)")
        self._state = State.PRELUDE if self._schema.scalar_starts else State.START
        self._prelude = ""
        self._closers: list[str] = []
        """Of the objects and arrays that are open."""
        self._names: set[str] = set()
        """Of the members of the document itself."""
        self._path = SchemaPath(schema)
        self._key: list[str] | None = None
        """What was read of the key of a member; None where the open string is a value."""
        self._hex_digits = 0
        """Those that an escape still needs."""
        self._scalar = ""
        self._pieces: list[str] = []
        """What was read of the document and not yet returned."""
        self._comma: list[str] = []
        """One, and blanks behind it, that no member has followed so far."""
        self._uncertain = 0
        """Characters of them, as long as they may be no JSON."""
        self._is_certain = False
        self._is_escaped = False
        """Whether the text is within a JSON string that holds the document."""
        self._escape = ""
        """One that was cut in two."""
        self._sentence = ""
        """The text, as long as it may be one with a scalar at its end."""
        self.has_text = False
        """Whether there was any text but blanks."""

    @property
    def is_whole(self) -> bool:
        """Whether the document is complete, if the text ends here."""
        is_number = self._state is State.SCALAR and not self._closers
        if self._state is State.END or (is_number and bool(SCALAR.fullmatch(self._scalar))):
            return True
        return self._last_scalar is not None

    @property
    def _last_scalar(self) -> str | None:
        """That behind a sentence, if the text ends here and nothing of it is a document."""
        if self._state is not State.START:
            return None
        return find_scalar(self._sentence, self._schema)

    def add(self, text: str) -> str:
        """What of the document may be shown now."""
        self.has_text = self.has_text or bool(text.strip(BLANKS_AND_BOM))
        if len(self._sentence) <= MAX_SENTENCE:
            self._sentence += text[: MAX_SENTENCE + 1]
        at, size = 0, len(text)
        if self._state is State.PRELUDE:
            text = self._prelude + text
            at, size = self._skip_prelude(text), len(text)
        elif self._escape:
            text, self._escape = self._escape + text, ""
            size = len(text)
        while at < size and self._state not in ENDS:
            read = self._read_escaped if self._is_escaped else self._read
            at = read(text, at)
        return self._drain() if self._is_certain else ""

    def _read(self, text: str, at: int) -> int:
        return STEPS[self._state](self, text, at)

    def _read_escaped(self, text: str, at: int) -> int:
        unescaped = unescape(text, at)
        place, size = 0, len(unescaped.text)
        while place < size and self._state not in ENDS:
            place = self._read(unescaped.text, place)
        self._is_escaped = not unescaped.has_ended
        if self._is_escaped:
            self._escape = text[unescaped.end :]
            return len(text)
        return unescaped.end

    def flush(self, *, is_cut: bool) -> str:
        """What was kept back, when the text has ended. is_cut: whether more was to come, so that
        what looks like the beginning of the document is one."""
        if not (is_cut or self._is_certain or self.is_whole):
            return ""
        if not is_cut and (scalar := self._last_scalar) is not None:
            return self._path.fit_scalar(scalar)
        self._keep(self._scalar if is_cut else self._path.fit_scalar(self._scalar))
        self._scalar = ""
        return self._drain()

    def _drain(self) -> str:
        shown = "".join(self._pieces)
        self._pieces.clear()
        return shown

    # --- Before the document ------------------------------------------------------------------

    def _skip_prelude(self, text: str) -> int:
        """Where it ends; the whole text, where it may go on."""
        text_start = len(text) - len(text.lstrip(BLANKS_AND_BOM))
        rest = text[text_start:]
        if FENCE_SO_FAR.fullmatch(rest):
            self._prelude = "```\n" if rest[-1:].isspace() else rest
            return len(text)
        if fence := FENCE.match(rest):
            text_start += fence.end()
        is_scalar = text[text_start] in self._schema.scalar_starts
        self._state = State.VALUE if is_scalar else State.START
        return text_start

    def _find_start(self, text: str, at: int) -> int:
        found = self._start.search(text, at)
        if found is None:
            return len(text)
        self._state = State.VALUE
        return found.start()

    # --- Within it ----------------------------------------------------------------------------

    def _keep(self, text: str) -> None:
        if self._comma:
            self._pieces += self._comma
            self._comma.clear()
        self._pieces.append(text)
        if not self._is_certain:
            self._uncertain += len(text)
            self._is_certain = self._uncertain > MAX_UNCERTAIN

    def _break(self) -> None:
        """It was no document, and another may follow; unless a part of it was shown."""
        self._state = State.BROKEN if self._is_certain else State.START
        self._closers.clear()
        self._pieces.clear()
        self._comma.clear()
        self._path.reset()
        self._names.clear()
        self._scalar, self._uncertain = "", 0

    def _read_structure(self, text: str, at: int) -> int:
        """Blanks, then a character that the state allows. A comma before the end is left out."""
        blanks = BLANKS.match(text, at)
        assert blanks is not None  # it matches nothing, too
        if blanks.end() > at:
            if self._comma:
                self._comma.append(blanks[0])
            else:
                self._keep(blanks[0])
            return blanks.end()
        character = text[at]
        may_end = self._state in MAY_END or self._comma
        if may_end and character == (self._closers or [""])[-1]:
            self._comma = self._comma[1:]
            self._keep(self._closers.pop())
            self._path.close()
            self._end_container(character)
        elif (action := ACTIONS.get((self._state, character))) is not None:
            action(self, character)
        elif self._state in (State.VALUE, State.FIRST_VALUE) and character in VALUE_START:
            self._state = State.SCALAR
            return at
        else:
            self._break()
            # The next document may begin with it.
            return at
        return at + 1

    def _read_first(self, text: str, at: int) -> int:
        """As `_read_structure`. A backslash tells that the document is within a string; and in one
        that is an array, the first element whether it is one: an `[1]` of a sentence is not."""
        if text[at] == "\\" and not self._is_escaped and not self._is_certain:
            self._is_escaped = True
            return at
        is_array = self._state is State.FIRST_VALUE
        is_first = is_array and len(self._closers) == 1 and text[at] not in BLANKS_OR_END
        if is_first and not self._schema.allows_first_item(text[at]):
            self._break()
            return at
        return self._read_structure(text, at)

    def _open(self, bracket: str) -> None:
        if len(self._closers) == MAX_DEPTH:
            self._break()
            return
        self._keep(bracket)
        self._path.open()
        self._closers.append(CLOSERS[bracket])
        self._state = State.FIRST_KEY if bracket == "{" else State.FIRST_VALUE

    def _open_string(self, quote: str) -> None:
        self._key = [] if self._state in (State.KEY, State.FIRST_KEY) else None
        self._keep(quote)
        self._state = State.STRING

    def _add_colon(self, colon: str) -> None:
        self._keep(colon)
        self._is_certain = True
        self._state = State.VALUE

    def _add_comma(self, comma: str) -> None:
        self._comma.append(comma)
        self._path.next_element()
        self._is_certain = True
        self._state = State.KEY if self._closers[-1] == "}" else State.VALUE

    def _end_value(self) -> None:
        self._state = State.COMMA if self._closers else State.END
        self._is_certain = self._is_certain or self._state is State.END

    def _end_container(self, closer: str) -> None:
        is_object = closer == "}" and not self._closers
        if is_object and not self._schema.allows_members(self._names):
            self._break()
        else:
            self._end_value()

    def _read_string(self, text: str, at: int) -> int:
        plain = PLAIN.match(text, at)
        assert plain is not None  # it matches nothing, too
        at = plain.end()
        self._keep_in_string(plain[0])
        if at == len(text):
            return at
        character = text[at]
        if character == "\\":
            self._keep_in_string(character)
            self._state = State.ESCAPE
        elif character != '"':
            self._keep_in_string(f"\\u{ord(character):04x}")
        else:
            self._keep(character)
            self._end_string()
        return at + 1

    def _keep_in_string(self, text: str) -> None:
        self._keep(text)
        if self._key is not None:
            self._key.append(text)

    def _end_string(self) -> None:
        if self._key is None:
            self._end_value()
            return
        key = "".join(self._key)
        name = json.loads(f'"{key}"') if "\\" in key else key
        self._path.start_member(name)
        if len(self._closers) == 1:
            self._names.add(name)
        self._state = State.COLON

    def _read_escape(self, text: str, at: int) -> int:
        character = text[at]
        allowed = HEX_DIGITS if self._hex_digits else ESCAPED
        if character in allowed:
            self._hex_digits = max(0, self._hex_digits - 1)
        elif character == "u" and not self._hex_digits:
            self._hex_digits = 4
        else:
            self._hex_digits = 0
            self._break()
            return at
        self._keep_in_string(character)
        if not self._hex_digits:
            self._state = State.STRING
        return at + 1

    def _read_scalar(self, text: str, at: int) -> int:
        """A number or a word, of which the next piece may bring more."""
        word = WORD.match(text, at)
        assert word is not None  # it matches nothing, too
        self._scalar += word[0]
        if word.end() < len(text):
            self._scalar = PYTHON_WORDS.get(self._scalar, self._scalar)
            if not SCALAR.fullmatch(self._scalar):
                self._break()
                return word.end()
            self._keep(self._path.fit_scalar(self._scalar))
            self._scalar = ""
            self._end_value()
        elif len(self._scalar) > MAX_SCALAR:
            self._break()
        return word.end()


ENDS = (State.END, State.BROKEN)
MAY_END = (State.FIRST_KEY, State.FIRST_VALUE, State.COMMA)
"""Where an object or an array may be closed."""

Action = Callable[[JsonAnswer, str], None]

ACTIONS: dict[tuple[State, str], Action] = {
    (State.VALUE, "{"): JsonAnswer._open,
    (State.VALUE, "["): JsonAnswer._open,
    (State.VALUE, '"'): JsonAnswer._open_string,
    (State.FIRST_VALUE, "{"): JsonAnswer._open,
    (State.FIRST_VALUE, "["): JsonAnswer._open,
    (State.FIRST_VALUE, '"'): JsonAnswer._open_string,
    (State.KEY, '"'): JsonAnswer._open_string,
    (State.FIRST_KEY, '"'): JsonAnswer._open_string,
    (State.COLON, ":"): JsonAnswer._add_colon,
    (State.COMMA, ","): JsonAnswer._add_comma,
}
"""What may come, and what it begins or ends; a scalar and the end of what is open are left."""

STEPS: dict[State, Callable[[JsonAnswer, str, int], int]] = {
    State.START: JsonAnswer._find_start,
    **dict.fromkeys((State.VALUE, State.KEY), JsonAnswer._read_structure),
    **dict.fromkeys((State.FIRST_VALUE, State.FIRST_KEY), JsonAnswer._read_first),
    **dict.fromkeys((State.COLON, State.COMMA), JsonAnswer._read_structure),
    State.STRING: JsonAnswer._read_string,
    State.ESCAPE: JsonAnswer._read_escape,
    State.SCALAR: JsonAnswer._read_scalar,
}
"""State -> reads from a place in the text on, and returns the next place."""
