# SPDX-License-Identifier: Apache-2.0
"""Names of erased customers, which must not come back among the words of others' comments.

Only hashes of their words are kept, keyed by the workspace and so short that many words share
one: a hash shows that a word may be such a name, but reveals no name.
"""

import hmac
import re
import unicodedata
from collections.abc import Collection, Iterable
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import run_sql

# Combining marks, such as the vowel signs of Hindi and Arabic, belong to their letter.
_SIGNS = "".join(
    character
    for character in map(chr, range(0x300, 0x10000))
    if unicodedata.category(character)[0] == "M"
)
LETTER = rf"[^\W\d_][{re.escape(_SIGNS)}]*"
# Accents, and letters that Unicode does not take apart.
ACCENTS = "".join(map(chr, range(0x300, 0x370)))
# Greek ends a word with another form of its s.
SPECIAL_LETTERS, PLAIN_LETTERS = "łđøς", "ldoσ"
_PLAIN = str.maketrans(SPECIAL_LETTERS, PLAIN_LETTERS, ACCENTS) | {ord("ß"): "ss"}
_PLAIN_WORD = re.compile(rf"(?:{LETTER})+")
_MIN_LETTERS = 3
_BYTES = 4
_KEY = text("select derivation_key from workspace where id = :workspace_id")
_REMEMBER = text("""
insert into erased_name (workspace_id, word_hash, erased_at)
select :workspace_id, n.hash, :now from unnest(cast(:hashes as bytea[])) n(hash)
on conflict (workspace_id, word_hash) do nothing
""")
_FIND_ERASED_NAMES = text("""
select word_hash from erased_name
where workspace_id = :workspace_id and word_hash = any(cast(:hashes as bytea[]))
""")


def plain_words(texts: Iterable[str]) -> set[str]:
    """Return the words of some texts in small letters without accents, as names are compared."""
    plain = unicodedata.normalize("NFD", " ".join(texts).lower()).translate(_PLAIN)
    return set(_PLAIN_WORD.findall(plain))


async def remember_names(
    session: AsyncSession, workspace_id: UUID, *, names: Iterable[str], emails: Iterable[str]
) -> None:
    """Keep the hashes of the words of an erased customer's names, and of what precedes the @."""
    words = plain_words([*names, *(email.partition("@")[0] for email in emails)])
    hashes = await _hashes(
        session, workspace_id, [word for word in words if len(word) >= _MIN_LETTERS]
    )
    if hashes:
        bound = {"workspace_id": workspace_id, "now": utc_now(), "hashes": list(hashes)}
        await run_sql(session, _REMEMBER.bindparams(**bound))


async def find_erased_names(
    session: AsyncSession, workspace_id: UUID, words: Collection[str]
) -> set[str]:
    """Return which of some plain words may be a name of an erased customer."""
    hashes = await _hashes(session, workspace_id, words)
    bound = {"workspace_id": workspace_id, "hashes": list(hashes)}
    rows = await run_sql(session, _FIND_ERASED_NAMES.bindparams(**bound))
    return {hashes[row.word_hash] for row in rows}


async def _hashes(
    session: AsyncSession, workspace_id: UUID, words: Iterable[str]
) -> dict[bytes, str]:
    rows = await run_sql(session, _KEY.bindparams(workspace_id=workspace_id))
    key: bytes = rows.one().derivation_key
    return {hmac.digest(key, f"name:{word}".encode(), "sha256")[:_BYTES]: word for word in words}
