# SPDX-License-Identifier: Apache-2.0
"""Cells say the name of their column, which a phone shows instead of the head of the table."""

from app.pages.dashboard.table_labels import label_cells

TABLE = (
    '<p>before</p><table class="stack"><thead><tr><th scope="col">Name</th>'
    '<th scope="col" class="number">Answers</th><th scope="col"><span>Change</span></th></tr>'
    '</thead>\n<tbody><tr><th scope="row">Ada</th><td class="number">3</td><td>x</td></tr>'
    '<tr><th scope="row">Bo</th><td data-label="n">4</td><td></td></tr></tbody></table>'
)


def test_cells_get_the_names_of_their_columns() -> None:
    labelled = label_cells(TABLE)
    assert '<td class="number" data-label="Answers">3</td><td>x</td>' in labelled
    assert '<td data-label="n">4</td>' in labelled
    assert labelled.replace(' data-label="Answers"', "") == TABLE


def test_other_tables_stay() -> None:
    other = TABLE.replace("stack", "plain")
    assert label_cells(other) == other
