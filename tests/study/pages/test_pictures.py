"""Colours of steps."""

from jdlm.study.pages import pictures


def test_colours_go_from_dark_to_light_and_texts_can_be_read():
    """Contrast of text and ground by WCAG 2: at least 4.5."""

    def luminance(colour):
        light = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (value / 255 for value in colour)]
        return 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2]

    backs = []
    for step in range(1, 65):
        back, front = pictures.colour(step, 64)
        low, high = sorted((luminance(back), luminance(front)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (step, back, front)
        backs.append(luminance(back))
    assert backs == sorted(backs) and pictures.colour(1, 1) == pictures.colour(1, 64)


def test_the_first_step_is_the_darkest_colour_and_the_last_the_lightest():
    """The ends of cividis, by its published values; the page to watch has the same."""
    for steps in (2, 3, 64):
        assert pictures.colour(1, steps)[0] == (0, 34, 78) and pictures.colour(steps, steps)[0] == (254, 232, 56)
