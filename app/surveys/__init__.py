"""Floor 3: what is asked: surveys, questions, scales, translations, templates."""
