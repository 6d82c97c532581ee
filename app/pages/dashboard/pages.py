# SPDX-License-Identifier: Apache-2.0
"""The dashboard's pages, each once: navigation, titles and error pages derive from here."""

from dataclasses import dataclass

from app.workspaces.scopes import Scope


@dataclass(frozen=True, slots=True)
class DashboardPage:
    """One page: its name (also of its template and of its title's text) and its path.

    A page of the navigation has a `group`, the heading under which its link stands, and an `icon`,
    the SVG path of the link: strokes in the colour of the text, 16 units wide. `scope` is what a
    user needs to see the page. Any other page has a `parent`: the page that the navigation marks
    instead; the path of a page about one thing, such as one answer, is the part before its id.
    """

    name: str
    path: str
    parent: str | None = None
    scope: Scope = Scope.READ
    group: str = ""
    icon: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for a page of the navigation without its group or icon."""
        if self.in_navigation and not (self.group and self.icon):
            msg = f"the page `{self.name}` needs a `group` and an `icon`, or a `parent`"
            raise ValueError(msg)

    @property
    def template(self) -> str:
        """The file that shows it."""
        return f"dashboard/{self.name}.html"

    @property
    def in_navigation(self) -> bool:
        """Whether the navigation links to it."""
        return self.parent is None


PAGES = {
    page.name: page
    for page in (
        DashboardPage(
            "overview",
            "/",
            group="figures",
            icon="M2 14V8h3v6M6.5 14V2h3v12M11 14V5h3v9",
        ),
        DashboardPage(
            "experience",
            "/experience",
            group="figures",
            icon="M8 14S2 10 2 6a3 3 0 0 1 6-1 3 3 0 0 1 6 1c0 4-6 8-6 8z",
        ),
        DashboardPage(
            "journey",
            "/journey",
            group="figures",
            icon="M3 13a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM13 7a2 2 0 1 0 0-4 2 2 0 0 0 0 4z"
            "M5 11h4a2 2 0 0 0 2-2V7",
        ),
        DashboardPage(
            "compare",
            "/compare",
            group="figures",
            icon="M2 4h8M2 8h12M2 12h5",
        ),
        DashboardPage(
            "answers",
            "/answers",
            group="voices",
            icon="M2 3h12v8H7l-3 3v-3H2z",
        ),
        DashboardPage(
            "comments",
            "/comments",
            group="voices",
            icon="M4 4h8M4 7h8M4 10h5M2 1.5h12v11H2z",
        ),
        DashboardPage(
            "follow_ups",
            "/follow-ups",
            group="voices",
            icon="M3 2c1 6 5 10 11 11l1-3-4-1-1 1.500C7.500 9.500 6 8 5.500 6L7 5 6 1z",
        ),
        DashboardPage(
            "people",
            "/people",
            group="voices",
            icon="M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2 14c.5-3 3-4 6-4s5.500 1 6 4",
        ),
        DashboardPage(
            "surveys",
            "/surveys",
            group="asking_group",
            icon="M3 1.500h10v13H3zM6 5h4M6 8h4M6 11h2",
        ),
        DashboardPage(
            "asking",
            "/asking",
            group="asking_group",
            icon="M2 8h9M8 4l4 4-4 4M14 3v10",
        ),
        DashboardPage(
            "decisions",
            "/decisions",
            group="asking_group",
            icon="M2 8l4 4 8-9",
        ),
        DashboardPage(
            "alerts",
            "/alerts",
            group="setup",
            icon="M8 2a4 4 0 0 0-4 4v4l-1.500 2h11L12 10V6a4 4 0 0 0-4-4zM6.500 14h3",
        ),
        DashboardPage(
            "connections",
            "/connections",
            group="setup",
            icon="M6 10l4-4M5 7L3 9a2.800 2.800 0 0 0 4 4l2-2M11 9l2-2a2.800 2.800 0 0 0-4-4L7 5",
        ),
        DashboardPage(
            "imports",
            "/files",
            group="setup",
            icon="M8 2v8M5 7l3 3 3-3M2 13h12",
        ),
        DashboardPage(
            "settings",
            "/settings",
            group="setup",
            icon="M2 4h7M12 4h2M2 12h2M7 12h7M10.500 2.500v3M5.500 10.500v3M2 8h4M9 8h5"
            "M7.500 6.500v3",
        ),
        DashboardPage("survey", "/surveys/", parent="surveys"),
        DashboardPage("survey_editor", "/surveys/", parent="surveys", scope=Scope.ADMIN),
        DashboardPage("survey_new", "/surveys/new", parent="surveys", scope=Scope.ADMIN),
        DashboardPage("trigger", "/asking/", parent="asking"),
        DashboardPage("invitations", "/invitations", parent="asking"),
        DashboardPage("suppressions", "/suppressions", parent="asking"),
        DashboardPage("person", "/people/", parent="people"),
        DashboardPage("response", "/responses/", parent="answers"),
        DashboardPage("integration", "/connections/", parent="connections", scope=Scope.ADMIN),
        DashboardPage("alert", "/alerts/", parent="alerts"),
        DashboardPage("account", "/account", parent="settings"),
        DashboardPage("sharing", "/sharing", parent="settings", scope=Scope.ADMIN),
        DashboardPage("audit", "/audit", parent="settings", scope=Scope.ADMIN),
    )
}
NAVIGATION = tuple(page for page in PAGES.values() if page.in_navigation)
# Paths of the dashboard that are no page of their own.
_PATHS_WITHOUT_PAGE = ("/sign-in", "/sign-out", "/figures/", "/forms/", "/shared/")


def is_dashboard(path: str) -> bool:
    """Tell whether a path belongs to the dashboard."""
    paths = [page.path for page in PAGES.values() if page.path != "/"]
    return path == "/" or path.startswith((*paths, *_PATHS_WITHOUT_PAGE))
