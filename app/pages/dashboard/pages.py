# SPDX-License-Identifier: Apache-2.0
"""The dashboard's pages, each once: navigation, titles and error pages derive from here."""

from dataclasses import dataclass

from app.workspaces.scopes import Scope


@dataclass(frozen=True, slots=True)
class DashboardPage:
    """One page: its name (also of its template and of its title's text) and its path.

    The path of a page about one thing, such as one answer, is a prefix; the navigation marks the
    page named `below` for it. `scope` is what a visitor needs to see its link, and `group` the
    heading under which the link stands.
    """

    name: str
    path: str
    below: str | None = None
    scope: Scope = Scope.READ
    group: str = ""

    @property
    def template(self) -> str:
        """The file that shows it."""
        return f"dashboard/{self.name}.html"

    @property
    def in_navigation(self) -> bool:
        """Whether the navigation links to it."""
        return self.below is None


PAGES = {
    page.name: page
    for page in (
        DashboardPage("overview", "/", group="figures"),
        DashboardPage("experience", "/experience", group="figures"),
        DashboardPage("journey", "/journey", group="figures"),
        DashboardPage("compare", "/compare", group="figures"),
        DashboardPage("answers", "/answers", group="voices"),
        DashboardPage("comments", "/comments", group="voices"),
        DashboardPage("follow_ups", "/follow-ups", group="voices"),
        DashboardPage("people", "/people", group="voices"),
        DashboardPage("surveys", "/surveys", group="asking_group"),
        DashboardPage("asking", "/asking", group="asking_group"),
        DashboardPage("decisions", "/decisions", group="asking_group"),
        DashboardPage("alerts", "/alerts", group="setup"),
        DashboardPage("connections", "/connections", group="setup"),
        DashboardPage("imports", "/files", group="setup"),
        DashboardPage("settings", "/settings", group="setup"),
        DashboardPage("survey", "/surveys/", below="surveys"),
        DashboardPage("survey_editor", "/surveys/", below="surveys"),
        DashboardPage("survey_new", "/surveys/new", below="surveys"),
        DashboardPage("trigger", "/asking/", below="asking"),
        DashboardPage("invitations", "/invitations", below="asking"),
        DashboardPage("suppressions", "/suppressions", below="asking"),
        DashboardPage("person", "/people/", below="people"),
        DashboardPage("response", "/responses/", below="answers"),
        DashboardPage("integration", "/connections/", below="connections"),
        DashboardPage("account", "/account", below="settings"),
        DashboardPage("sharing", "/sharing", below="settings"),
        DashboardPage("audit", "/audit", below="settings"),
    )
}
NAVIGATION = tuple(page for page in PAGES.values() if page.in_navigation)
# Paths of the dashboard that are no page of their own.
_OTHERS = ("/sign-in", "/sign-out", "/figures/", "/forms/", "/shared/")


def is_dashboard(path: str) -> bool:
    """Tell whether a path belongs to the dashboard."""
    paths = [page.path for page in PAGES.values() if page.path != "/"]
    return path == "/" or path.startswith((*paths, *_OTHERS))
