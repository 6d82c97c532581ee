"""What is asked: surveys, questions, scales, translations, templates."""
