"""Report and watch in headless Chromium: no error, nothing from the network, and what is shown is what was sampled.

Marked `browser`: needs Chromium, its driver and selenium (Debian: chromium, chromium-driver; pip install selenium).
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from jdlm import cli, keys, sampling, schedules, targets
from jdlm.predictor import oracle
from jdlm.study import pages

pytestmark = pytest.mark.browser
LENGTH, VOCAB = 12, 3
NAME = "<script>alert(1)</script> \"'\N{GRINNING FACE}"


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        pytest.skip("chromium or chromedriver is not here")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(programs[1]))
    yield driver
    driver.quit()


def opened(browser, path):
    browser.get_log("performance")
    browser.get(Path(path).absolute().as_uri())
    return browser


def check_quiet(browser):
    """No message on the console, and no request but that for the file itself."""
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert all(url.startswith(("file:", "data:")) for url in asked), asked


def cells(browser, card):
    script = "return [...document.querySelectorAll('.card')[arguments[0]].querySelectorAll('.cell')].map(" \
        "(c) => [Number(c.dataset.token), Number(c.dataset.step), c.textContent])"  # fmt: skip
    return browser.execute_script(script, card)


def press(browser, *names):
    from selenium.webdriver.common.keys import Keys

    for name in names:
        browser.find_element("tag name", "body").send_keys(getattr(Keys, name, name))


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A page of two schedules, and what the sampler drew."""
    predictor, drawn = oracle(targets.sticky_markov(LENGTH, VOCAB, 0.8)), {}
    given = [1, *[VOCAB] * (LENGTH - 1)]
    for name, steps in ((NAME, 4), ("uniform", 3)):
        sizes = sampling.draw_sizes(keys.key(0), schedules.uniform(LENGTH - 1, steps), 3)
        drawn[name] = sampling.sample_with_info(keys.key(1), predictor, sizes, given=given, trace=True)
    scene = pages.scene({name: info.trace for name, (_, info) in drawn.items()}, ["a", "b", "c"], title=NAME)
    path = tmp_path_factory.mktemp("watched") / "watch.html"
    path.write_text(pages.watch(scene, NAME), encoding="utf-8")
    return path, list(drawn.values())


def test_keys_and_slider_move_masks_to_the_tokens_that_were_drawn(browser, watched):
    path, drawn = watched
    opened(browser, path)
    assert browser.find_element("tag name", "h1").text == NAME
    assert [token for token, _, _ in cells(browser, 0)] == [1] + [-1] * (LENGTH - 1)
    press(browser, "ARROW_RIGHT", "ARROW_RIGHT")
    for card, (_, info) in enumerate(drawn):
        trace = info.trace.tokens[0, 1]
        assert [token for token, _, _ in cells(browser, card)] == np.where(trace == VOCAB, -1, trace).tolist()
    press(browser, "END")
    for draw in range(3):
        for card, (tokens, info) in enumerate(drawn):
            shown = cells(browser, card)
            assert [token for token, _, _ in shown] == np.asarray(tokens)[draw].tolist()
            assert [step for _, step, _ in shown] == info.trace.revealed_in(VOCAB)[draw].tolist()
            assert [text for _, _, text in shown] == ["abc"[token] for token in np.asarray(tokens)[draw]]
            says = browser.find_elements("css selector", ".card")[card].find_element("css selector", ".says").text
            assert f"log p = {float(info.path_log_prob[draw]):.2f} nats" in says
        press(browser, "n")
    press(browser, "HOME")
    assert all(token == -1 for token, _, _ in cells(browser, 0)[1:])
    browser.execute_script(
        "const s = document.getElementById('slider'); s.value = s.max; s.dispatchEvent(new Event('input'))"
    )
    assert all(token >= 0 for token, _, _ in cells(browser, 0))
    check_quiet(browser)


def test_play_goes_to_the_end_and_stops(browser, watched):
    from selenium.webdriver.support.ui import WebDriverWait

    opened(browser, watched[0])
    play = browser.find_element("id", "play")
    play.click()
    assert play.text == "Pause"
    WebDriverWait(browser, 20).until(lambda page: page.find_element("id", "play").text == "Play")
    assert all(token >= 0 for token, _, _ in cells(browser, 0))
    check_quiet(browser)


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_fits_a_phone_and_follows_the_scheme(browser, watched, width, scheme):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    opened(browser, watched[0])
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 22, 26)"}[scheme]
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_report_shows_the_run_and_sorts_its_table(browser, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(
        f'name = {json.dumps(NAME, ensure_ascii=False)}\n[target]\nkind = "parity"\nlength = 4\n[sweep]\n'
        'schedules = ["uniform", "minimax_both"]\nnum_steps = [1, 2]\nsamples = 16\ncurve_samples = 8'
    )
    assert cli.guarded(cli.run_sample, ["mine.toml", "--name", "mine"]) == 0
    opened(browser, "runs/mine/report.html")
    assert NAME in browser.find_element("tag name", "h1").text
    table = browser.find_element("id", "schedules")

    def column(number):
        script = "return [...arguments[0].tBodies[0].rows].map((r) => r.cells[arguments[1]].dataset.value)"
        return browser.execute_script(script, table, number)

    for number in (0, 3, 4):
        head = table.find_elements("css selector", "th")[number]
        browser.execute_script("arguments[0].click()", head)
        up = column(number)
        browser.execute_script("arguments[0].click()", head)
        down = column(number)
        key = float if number else str
        assert up == sorted(up, key=key) and down == sorted(down, key=key, reverse=True)
    assert len(browser.find_elements("css selector", "figure svg")) >= 4
    assert len(browser.find_elements("css selector", "#conclusions li")) >= 1
    press(browser, "END")
    assert all(token >= 0 for token, _, _ in cells(browser, 0))
    check_quiet(browser)
