# SPDX-License-Identifier: Apache-2.0
"""Columns of one row a response that hold its scores, and the means of its drivers and pillars."""

from app.insights.labels import NON_DRIVER_TAGS

_NO_DRIVERS = ", ".join(f"'{name}'" for name in sorted(NON_DRIVER_TAGS))
WIDE_SCORES = """(select jsonb_object_agg(k.key, k.value) from jsonb_each(r.scores) k
  where k.value::int >= 0 and position('=' in k.key) = 0)"""


def tag_means(tag: str) -> str:
    """Return the SQL of the mean on 0 to 100 of the scores of each tag, reversed ones flipped.

    A pillar or module needs answers to at least half of its questions in the response's version.
    Questions about what a customer told or heard count for no driver.
    """
    least = "1" if tag == "driver" else "count(*)"
    apart = f"and q.driver not in ({_NO_DRIVERS})" if tag == "driver" else ""
    return f"""(select jsonb_object_agg(t.tag, t.mean) from (
  select q.{tag} as tag, round(avg(case when q.reverse then 100 - v.mean else v.mean end), 4)
    as mean
  from question q cross join lateral (select 100.0
    * (case when (r.scores ->> q.key)::int >= 0 then (r.scores ->> q.key)::int end - q.low)
    / nullif(q.high - q.low, 0) as mean) v
  where q.workspace_id = $1 and q.survey_id = r.survey_id and q.{tag} is not null
    and q.favourable_from is not null {apart}
    and (q.versions = '{{}}' or r.survey_version = any(q.versions))
  group by 1 having 2 * count(v.mean) >= {least} and count(v.mean) > 0) t)"""
