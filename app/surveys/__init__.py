# SPDX-License-Identifier: Apache-2.0
"""What is asked: surveys, questions, scales, translations, templates."""
