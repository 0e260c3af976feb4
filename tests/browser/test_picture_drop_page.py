"""PictureDrop in a real JupyterLab: dropped, chosen and taken pictures become files; by keyboard alone, narrow, dark, over a reload.

pytest tests/browser/test_picture_drop_page.py
"""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CELLS = (
    "from course_lib.widgets import PictureDrop\nfrom pathlib import Path",
    'drop = PictureDrop("my_pictures", classes=("cat", "dog"))\ndrop',
)
KINDS = {".jpg": "JPEG", ".png": "PNG"}
CAMERAS = "window.cameras().filter((track) => track.readyState === 'live').length"
SPY = """() => {  // every camera that the page is given, so that a test sees whether it is off
    const given = [], real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wanted) => {
        if (window.refuse) throw new DOMException("", window.refuse);
        const stream = await real(wanted);
        given.push(...stream.getTracks());
        return stream;
    };
    window.cameras = () => given;
}"""
DROP = """([selector, files]) => {  // as a browser does when files are let go over an element
    const transfer = new DataTransfer();
    for (const [name, data] of files) {
        const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
        transfer.items.add(new File([bytes], name));
    }
    const node = document.querySelector(selector);
    for (const type of ["dragenter", "dragover", "drop"])
        node.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def book(open_notebook):
    made = open_notebook("drop", CELLS)
    made.page.evaluate(SPY)
    return made


def photo(seed: int, size: tuple[int, int] = (90, 60), suffix: str = ".jpg") -> bytes:
    """A picture of two colours of its own."""
    colours = np.random.default_rng(seed).integers(0, 255, (2, 3), dtype=np.uint8)
    pixels = np.repeat(np.repeat(colours[:, None], 2, 1), 2, 0)[:2]
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize(size).save(buffer, KINDS[suffix])
    return buffer.getvalue()


def noise(seed: int, side: int) -> bytes:
    """A PNG that does not shrink: 3 bytes a pixel."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def chosen(book, test_id: str, *files: tuple[str, bytes]) -> None:
    payload = [{"name": name, "mimeType": "", "buffer": data} for name, data in files]
    book.page.get_by_test_id(test_id).set_input_files(payload)


def dropped(book, test_id: str, *files: tuple[str, bytes]) -> None:
    given = [[name, base64.b64encode(data).decode()] for name, data in files]
    book.page.evaluate(DROP, [f"[data-testid={test_id}]", given])


def wait_for(book, text: str, timeout: float = 20) -> None:
    book.page.get_by_test_id("status").filter(has_text=text).first.wait_for(timeout=1000 * timeout)


def focused(book) -> str:
    return book.page.evaluate("document.activeElement.dataset.testid ?? ''")


def test_pictures_are_chosen_for_a_class(book):
    assert book.page.get_by_test_id("status").inner_text() == "cat: 0 pictures, dog: 0 pictures."
    book.shots("drop-empty")
    chosen(book, "input-cat", *((f"cat {i}.jpg", photo(i)) for i in range(5)))
    wait_for(book, "cat: 5 pictures")
    assert book.truth("sorted(p.name for p in (drop.folder / 'cat').iterdir())") == [f"cat {i}.jpg" for i in range(5)]
    tiles = book.page.get_by_test_id("drop-cat").get_by_test_id("tile")
    assert tiles.count() == 5
    tiles.first.locator("img[src^='blob:']").wait_for(timeout=5000)


def test_the_bytes_arrive_as_they_were_also_those_of_a_photo_of_many_pieces(book):
    """3.5 MB are 7 pieces, which go in several turns."""
    import hashlib

    large = noise(1, 1080)
    assert len(large) > 3_400_000
    dropped(book, "drop-dog", ("large.png", large), ("small.jpg", photo(9)))
    wait_for(book, "dog: 2 pictures")
    told = book.truth("__import__('hashlib').sha256((drop.folder / 'dog' / 'large.png').read_bytes()).hexdigest()")
    assert told == hashlib.sha256(large).hexdigest()


def test_what_is_no_picture_is_named_with_what_to_do(book):
    files = (
        ("notes.txt", b"hello"),
        ("IMG_1.HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50)),
        ("empty.jpg", b""),
    )
    dropped(book, "drop-cat", *files, ("cat 1.jpg", photo(1)), ("cut.jpg", photo(3, (300, 300))[:500]))
    wait_for(book, "5 files left out")
    said = book.page.get_by_test_id("problems").inner_text()
    assert "HEIC" in said and "JPEG" in said and "empty" in said and "cat/cat 1.jpg" in said and "cut.jpg" in said
    assert book.truth("[len(drop.problems), drop.counts['cat']]") == [5, 5]
    book.shots("drop-problems")


def test_a_folder_of_class_folders_makes_classes(book, tmp_path):
    for label, seeds in {"bird": (20, 21), "cat": (22,)}.items():
        for seed in seeds:
            path = tmp_path / "animals" / label / f"{label} {seed}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(photo(seed, suffix=".png"))
    book.page.get_by_test_id("input-folder").set_input_files(tmp_path / "animals")
    wait_for(book, "cat: 6 pictures, dog: 2 pictures, bird: 2 pictures")


def test_a_zip_makes_classes(book):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for label, seed in (("fish", 30), ("fish", 31), ("bird", 32)):
            made.writestr(f"set/{label}/{seed}.jpg", photo(seed))
        made.writestr("set/fish/readme.txt", "no picture")
    dropped(book, "drop-whole", ("set.zip", buffer.getvalue()))
    wait_for(book, "bird: 3 pictures, fish: 2 pictures")
    assert "readme.txt" in book.page.get_by_test_id("problems").inner_text()
    dropped(book, "drop-whole", ("lost.jpg", photo(40)))
    book.page.get_by_test_id("error").filter(has_text="lost.jpg came without a class").wait_for(timeout=5000)


def test_a_picture_is_removed_and_comes_back_by_the_keyboard_alone(book):
    page = book.page
    card = page.get_by_test_id("drop-fish")
    card.get_by_test_id("remove").first.focus()
    page.keyboard.press("Enter")
    wait_for(book, "fish: 1 picture;")
    assert focused(book) == "remove"  # of the picture that is left
    page.keyboard.press("Space")
    wait_for(book, "fish: 0 pictures")
    assert focused(book) == "choose-fish"
    for count in (1, 2):
        page.get_by_test_id("undo").focus()
        page.keyboard.press("Enter")
        wait_for(book, f"fish: {count} picture")
    assert page.get_by_test_id("undo").is_hidden() and focused(book) == "status"


def test_classes_are_added_renamed_and_removed_by_the_keyboard_alone(book):
    page = book.page
    page.get_by_test_id("class-name").focus()
    page.keyboard.type("my ../ owl")
    page.keyboard.press("Enter")
    wait_for(book, "my ..- owl: 0 pictures")
    page.get_by_test_id("rename-my ..- owl").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("owl")
    page.keyboard.press("Enter")
    wait_for(book, " owl: 0 pictures")
    page.wait_for_function("document.activeElement.dataset.testid === 'rename-owl'", timeout=5000)
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    assert focused(book) == "rename-owl"
    page.keyboard.press("Tab")
    assert focused(book) == "remove-owl"
    page.keyboard.press("Enter")
    wait_for(book, "fish: 2 pictures;")
    assert focused(book) == "class-name"
    assert "owl" not in book.truth("drop.counts")


def test_the_camera_takes_pictures_and_is_off_afterwards(book):
    page = book.page
    before = book.truth("drop.counts['dog']")
    page.get_by_test_id("camera-dog").focus()
    page.keyboard.press("Enter")
    page.get_by_test_id("camera-words").filter(has_text="Space or Enter").wait_for(timeout=10_000)
    page.wait_for_function("document.querySelector('video').videoWidth > 0", timeout=10_000)
    assert focused(book) == "take" and page.evaluate(CAMERAS) == 1
    page.keyboard.press("Space")
    wait_for(book, f"dog: {before + 1} pictures")
    page.get_by_test_id("take-row").click()
    page.get_by_test_id("take-row").filter(has_text="Stop (7 left)").click(timeout=15_000)
    page.get_by_test_id("take-row").filter(has_text="Take 10 in a row").wait_for(timeout=5000)
    taken = int(page.get_by_test_id("camera-words").inner_text().split()[0])
    wait_for(book, f"dog: {before + taken} pictures")
    assert 4 <= taken < 11
    book.shots("drop-camera")
    page.get_by_test_id("take").focus()
    page.keyboard.press("Escape")
    assert page.evaluate(CAMERAS) == 0 and focused(book) == "camera-dog" and page.locator("video").is_hidden()
    newest = "max((drop.folder / 'dog').glob('camera*'), key=lambda p: p.stat().st_mtime)"
    width, height = book.truth(f"__import__('PIL.Image').Image.open({newest}).size")
    assert width == height >= 240


def test_the_camera_is_off_when_the_cell_runs_again(book):
    page = book.page
    page.get_by_test_id("camera-cat").click()
    page.wait_for_function("document.querySelector('video')?.videoWidth > 0", timeout=10_000)
    assert page.evaluate(CAMERAS) == 1
    book.run_cell(1)
    page.wait_for_function(f"{CAMERAS} === 0", timeout=10_000)
    wait_for(book, "bird: 3 pictures")  # the same folder, looked at anew


def test_a_camera_that_is_refused_or_missing_is_said_in_place(book):
    page = book.page
    for name, words in (("NotAllowedError", "may not use the camera"), ("NotFoundError", "No camera was found")):
        page.evaluate(f"window.refuse = '{name}'")
        page.get_by_test_id("camera-cat").click()
        page.get_by_test_id("words-cat").filter(has_text=words).wait_for(timeout=5000)
    page.evaluate("window.refuse = ''")
    chosen(book, "input-cat", ("after.jpg", photo(77)))
    wait_for(book, "cat: 7 pictures")


def test_a_reload_keeps_all(book):
    before = book.page.get_by_test_id("status").inner_text()
    book.reload()
    wait_for(book, before)
    tiles = book.page.get_by_test_id("drop-cat").get_by_test_id("tile")
    tiles.first.locator("img[src^='blob:']").wait_for(timeout=10_000)
    assert tiles.count() == 7
    book.shots("drop-full")


def test_nothing_sticks_out_axe_is_content_and_nothing_leaves_the_machine(book):
    for theme in ("dark", "light"):
        book.theme(theme)
        for width in (800, 480):
            book.page.set_viewport_size({"width": width, "height": 1000})
            book.page.wait_for_timeout(200)
            book.shot(f"drop-{theme}-{width}-again")
            assert book.overflow() == [], f"{theme}, {width} px"
        assert book.violations() == [], theme
    book.page.set_viewport_size({"width": 1280, "height": 1000})
    assert book.outside == []
    assert [line for line in book.console if "course" in line.lower()] == []


def test_no_half_file_is_left_behind(book, jupyter):
    folder = Path(jupyter[1]) / "my_pictures"
    assert [path for path in folder.rglob("*") if path.name.startswith(".") or path.suffix == ".part"] == []
