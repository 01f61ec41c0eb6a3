"""Scenes: what they show, replayed, is what the sampler drew."""

import json

import numpy as np
import pytest

from jdlm import keys, sampling, schedules, targets
from jdlm.predictor import oracle
from jdlm.study import pages
from jdlm.study.pages import pictures

LENGTH, VOCAB = 6, 3
TARGET = targets.sticky_markov(LENGTH, VOCAB, 0.8)


def traced(steps, given=None, lanes=3):
    sizes = sampling.draw_sizes(keys.key(0), schedules.uniform(LENGTH - 2 * (given is not None), steps), lanes)
    return sampling.sample_with_info(keys.key(1), oracle(TARGET), sizes, given=given, trace=True)


def replayed(scene, schedule, draw):
    tokens = [-1] * scene["length"]
    for place, token in scene["given"]:
        tokens[place] = token
    for changes in scene["schedules"][schedule]["draws"][draw]["steps"]:
        for place, token in changes:
            tokens[place] = token
    return tokens


@pytest.mark.parametrize("given", [None, [0, 3, 3, 3, 3, 2]])
def test_replaying_a_scene_gives_the_samples(given):
    both = {"two": traced(2, given), "three": traced(3, given)}
    scene = pages.scene({name: info.trace for name, (_, info) in both.items()}, ["a", "b", "c"], title="t")
    assert json.loads(json.dumps(scene)) == scene
    for number, (tokens, info) in enumerate(both.values()):
        for draw in range(3):
            assert replayed(scene, number, draw) == np.asarray(tokens)[draw].tolist()
            mine = scene["schedules"][number]["draws"][draw]
            assert mine["log_prob"][-1] == pytest.approx(float(info.path_log_prob[draw]), abs=1e-4)
            assert len(mine["steps"]) == int(info.nfe[draw])
    assert scene["given"] == ([] if given is None else [[0, 0], [5, 2]])


def test_tokens_that_are_masked_again_are_events():
    steps = sampling.draw_steps(keys.key(3), schedules.remdm(LENGTH, np.linspace(1, 0, 13), "linear", "cap", 0.4), 20)
    tokens, info = sampling.sample_with_info(keys.key(4), oracle(TARGET), steps, trace=True)
    scene = pages.scene({"remdm": info.trace}, ["a", "b", "c"], title="t")
    assert any(token == -1 for draw in scene["schedules"][0]["draws"] for step in draw["steps"] for _, token in step)
    for draw in range(20):
        assert replayed(scene, 0, draw) == np.asarray(tokens)[draw].tolist()


def test_symbols_can_be_seen():
    _, info = traced(2)
    scene = pages.scene({"two": info.trace}, [" ", "\n", "\x1b"], title="t", separator="")
    assert scene["symbols"] == ["\N{OPEN BOX}", "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}", "\\x1b"] and scene["close"]


def test_what_cannot_be_shown_is_one_line():
    _, info = traced(2)
    with pytest.raises(ValueError, match="there is no schedule to watch; name one"):
        pages.scene({}, ["a"], title="t")
    long = info.trace._replace(start=np.zeros((1, 257), np.int32))
    with pytest.raises(ValueError, match="length=257 is more than a page can show; at most 256"):
        pages.scene({"a": long}, ["a"], title="t")


def test_a_page_to_watch_holds_the_scene():
    _, info = traced(2)
    scene = pages.scene({"</script>": info.trace}, ["a", "b", "c"], title="<b>")
    page = pages.watch(scene, "by <i>")
    assert "&lt;b&gt;" in page and "by &lt;i&gt;" in page and page.count("</script>") == page.count("<script")
    assert "Play" in page and len(page) < 60_000


def test_pictures_have_a_frame_for_each_step_and_show_what_was_drawn():
    import io

    from PIL import Image

    _, info = traced(3)
    scene = pages.scene({"three": info.trace}, ["a", "b", "c"], title="t")
    image = Image.open(io.BytesIO(pictures.still(scene)))
    animation = Image.open(io.BytesIO(pictures.animation(scene)))
    assert image.format == "PNG" and animation.format == "GIF" and animation.n_frames == 4
    at = info.trace.revealed_in(VOCAB)[0]
    for place in range(LENGTH):  # a corner of each cell has the colour of its step
        x, y = 20 + place * 36 + 2, 20 + 30 + 26 + 2
        assert image.getpixel((x, y)) == pictures.colour(int(at[place]), 3)[0]
    animation.seek(0)
    assert animation.convert("RGB").getpixel((22, 78)) == (227, 227, 232), "masked at first"
