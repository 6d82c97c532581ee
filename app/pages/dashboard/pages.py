"""The dashboard's pages, each once: navigation, titles and error pages derive from here."""

from dataclasses import dataclass

from app.workspaces.scopes import Scope


@dataclass(frozen=True, slots=True)
class DashboardPage:
    """One page: its name (also of its template and of its title's text) and its path.

    A page of one thing, such as one answer, has that thing behind its path, and stands in the
    navigation under the page named `below`. `scope` is what a visitor needs to be led to it.
    """

    name: str
    path: str
    below: str | None = None
    scope: Scope = Scope.READ

    @property
    def template(self) -> str:
        """The file that shows it."""
        return f"dashboard/{self.name}.html"

    @property
    def in_navigation(self) -> bool:
        """Whether every page leads to it."""
        return self.below is None


PAGES = {
    page.name: page
    for page in (
        DashboardPage("overview", "/"),
        DashboardPage("experience", "/experience"),
        DashboardPage("journey", "/journey"),
        DashboardPage("compare", "/compare"),
        DashboardPage("answers", "/answers"),
        DashboardPage("comments", "/comments"),
        DashboardPage("follow_ups", "/follow-ups"),
        DashboardPage("people", "/people"),
        DashboardPage("surveys", "/surveys"),
        DashboardPage("asking", "/asking"),
        DashboardPage("decisions", "/decisions"),
        DashboardPage("alerts", "/alerts"),
        DashboardPage("connections", "/connections"),
        DashboardPage("imports", "/files"),
        DashboardPage("settings", "/settings"),
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
