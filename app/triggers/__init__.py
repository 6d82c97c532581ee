"""After this interaction, send that survey: triggers, and the decisions they come to."""
