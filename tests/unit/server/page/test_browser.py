"""The page in headless Chromium, against a running server."""

import ast
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from rolevec.encoders.loading import load_encoder

pytestmark = pytest.mark.slow

ROWS = ["the quick fox", "شخص كسول", "快速的狐狸"]
COLUMNS = ["der faule Hund", "ленивая собака"]
OTHER = "'; touch x; '\" \\ </script><b>&amp; $HOME `id` 𝒳"


def fill(page, rows, columns):
    page.fill("#row-texts", "\n".join(rows))
    page.fill("#column-texts", "\n".join(columns))


def compare(page):
    page.click("button[type=submit]")
    page.wait_for_function(
        "() => document.querySelector('#status').textContent.includes('dimensions')"
        " || !document.querySelector('#error').hidden"
    )


def shown(page):
    """The matrix as numbers."""
    cells = "row => [...row.querySelectorAll('td')].map(cell => Number(cell.title))"
    return np.array(page.eval_on_selector_all("#matrix tbody tr", f"rows => rows.map({cells})"))


def code(page, language):
    page.click(f"#tab-{language}")
    return page.text_content("#snippet")


def test_the_example_is_there_at_once(page, url):
    page.goto(url)
    page.wait_for_selector("#result:not([hidden])")
    assert shown(page).shape == (8, 8)
    assert page.troubles == []


@pytest.mark.parametrize("roles", [("search_query", "search_document"), ("search_document",) * 2])
def test_the_matrix_is_that_of_the_encoder(page, url, folder, roles):
    page.goto(url)
    fill(page, ROWS, ["", *COLUMNS, "  "])
    page.select_option("#row-role", roles[0])
    page.select_option("#column-role", roles[1])
    compare(page)
    encoder = load_encoder(f"static:{folder}")
    expected = encoder.encode(ROWS, roles[0]) @ encoder.encode(COLUMNS, roles[1]).T
    assert np.abs(shown(page) - expected).max() < 2e-6
    best = page.eval_on_selector_all(
        "#matrix tbody tr", "rows => rows.map(r => [...r.cells].findIndex(c => c.matches('.best')))"
    )
    assert [place - 1 for place in best] == expected.argmax(axis=1).tolist()


def test_the_models_are_the_server_s(page, url):
    page.goto(url)
    page.wait_for_selector("#model option[value=tiny-16]", state="attached")
    page.select_option("#model", "tiny-16")
    compare(page)
    assert "16 dimensions" in page.text_content("#status")


def test_a_key_is_asked_for_used_and_not_kept(page, guarded):
    page.goto(guarded)
    page.wait_for_selector("#error:not([hidden])")
    assert "API key" in page.text_content("#error")
    assert page.evaluate("document.activeElement.id") == "key"
    page.fill("#key", "wrong")
    compare(page)
    assert "API key" in page.text_content("#error")
    page.fill("#key", "secret")
    compare(page)
    assert page.is_hidden("#error")
    for language in ("curl", "python", "langchain"):
        assert "CO_API_KEY" in code(page, language)
        assert "secret" not in code(page, language)
    assert "secret" not in page.url
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    page.reload()
    assert page.input_value("#key") == ""


def test_the_reason_of_a_refusal_is_shown(page, url):
    page.goto(url)
    fill(page, ["word " * 400], COLUMNS)
    compare(page)
    assert re.match(r"The server answered 4\d\d: .*(long|token)", page.text_content("#error"))
    page.select_option("#truncate", "END")
    compare(page)
    assert page.is_hidden("#error")
    assert shown(page).shape == (1, 2)


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (429, {"Retry-After": "7"}, '{"message": "too many"}', "429: too many\nTry again in 7"),
        (502, {}, "<html>bad gateway</html>", "502: <html>bad gateway</html>"),
        (200, {}, '{"embeddings": {"float": [[1, 0]]}}', "does not hold one vector for each"),
        (200, {}, "not json", "200: not json"),
    ],
)
def test_what_can_go_wrong_is_said(page, url, status, headers, body, expected):
    page.goto(url)
    page.wait_for_selector("#result:not([hidden])")
    page.route(
        "**/v2/embed", lambda route: route.fulfill(status=status, headers=headers, body=body)
    )
    compare(page)
    assert expected in page.text_content("#error")


def test_a_server_that_is_gone_is_said_to_be(page, url):
    page.goto(url)
    page.wait_for_selector("#result:not([hidden])")
    page.route("**/v2/embed", lambda route: route.abort())
    compare(page)
    assert page.text_content("#error") == "The server cannot be reached."


def test_empty_and_endless_sides_are_refused_here(page, url):
    page.goto(url)
    fill(page, [], COLUMNS)
    compare(page)
    assert "at least one text" in page.text_content("#error")
    fill(page, ROWS, ["text"] * 97)
    assert "at most 96" in page.text_content("#column-count")
    compare(page)
    assert "more than 96" in page.text_content("#error")


def test_texts_are_text_whatever_they_hold(page, url):
    page.goto(url)
    page.wait_for_selector("#result:not([hidden])")
    fill(page, [OTHER], COLUMNS)
    assert page.get_attribute("#result", "class") == "stale"
    compare(page)
    assert page.text_content("#matrix tbody th") == OTHER
    assert page.troubles == []


def test_each_text_has_the_direction_of_its_script(page, url):
    page.goto(url)
    fill(page, ROWS, COLUMNS)
    compare(page)
    sides = page.eval_on_selector_all(
        "#matrix tbody .text", "all => all.map(text => getComputedStyle(text).direction)"
    )
    assert sides == ["ltr", "rtl", "ltr"]


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_curl_command_runs_as_shown(page, url, tmp_path, folder):
    page.goto(url)
    fill(page, [OTHER, *ROWS], COLUMNS)
    compare(page)
    commands = code(page, "curl").replace("curl '", "curl -s '")
    done = subprocess.run(
        ["sh", "-c", commands], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert not list(tmp_path.iterdir())
    decoder = json.JSONDecoder()
    first, end = decoder.raw_decode(done.stdout)
    second, _ = decoder.raw_decode(done.stdout[end:].lstrip())
    assert first["texts"] == [OTHER, *ROWS]
    assert second["texts"] == COLUMNS
    expected = load_encoder(f"static:{folder}").encode_queries([OTHER, *ROWS])
    assert np.abs(np.array(first["embeddings"]["float"]) - expected).max() < 1e-6


@pytest.mark.parametrize("language", ["python", "langchain"])
@pytest.mark.parametrize("role", ["search_query", "clustering"])
def test_the_python_is_python(page, url, language, role):
    page.goto(url)
    fill(page, [OTHER], COLUMNS)
    page.select_option("#row-role", role)
    tree = ast.parse(code(page, language))
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert {OTHER, *COLUMNS, url} <= strings


def test_the_keyboard_is_enough(page, url):
    page.goto(url)
    page.wait_for_selector("#result:not([hidden])")
    page.focus("#tab-curl")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-python"
    assert "cohere.ClientV2" in page.text_content("#snippet")
    page.fill("#row-texts", "one text")
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        "() => document.querySelector('#status').textContent.startsWith('1 × 8')"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_numbers_can_be_read_on_their_colours(page, url, scheme):
    """Contrast of at least 4.5, WCAG's level AA, on the coldest and the hottest cell."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.goto(url)
    page.wait_for_selector("#result:not([hidden])")
    pairs = page.evaluate(
        """() => {
          const brush = document.createElement("canvas").getContext("2d");
          const rgb = (colour) => {
            brush.fillStyle = colour;
            brush.fillRect(0, 0, 1, 1);
            return [...brush.getImageData(0, 0, 1, 1).data].slice(0, 3);
          };
          return [...document.querySelectorAll("#matrix tbody td")].map((cell) => {
            const style = getComputedStyle(cell);
            return [rgb(style.color), rgb(style.backgroundColor)];
          });
        }"""
    )
    assert len({tuple(ground) for _, ground in pairs}) > 10
    assert min(contrast(*pair) for pair in pairs) >= 4.5


def contrast(one, other):
    def luminance(colour):
        parts = np.array(colour) / 255
        parts = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(parts @ [0.2126, 0.7152, 0.0722])

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_a_narrow_screen_scrolls_the_matrix_only(page, url):
    page.set_viewport_size({"width": 360, "height": 700})
    page.goto(url)
    page.wait_for_selector("#result:not([hidden])")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
