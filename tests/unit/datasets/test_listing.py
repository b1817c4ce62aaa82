"""Names of files as people have them: found, left out with a count, or refused by name."""

import logging
import os
import time
import unicodedata

import pytest

from thetascope.datasets import listing, pairs
from thetascope.errors import UserError

NFC, NFD = (unicodedata.normalize(form, "pólipo") for form in ("NFC", "NFD"))


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def found(folder, pattern, foreign=None):
    return [str(listing.relative(p, folder)) for p in listing.find(folder, pattern, foreign)]


def pair(
    folder, images="i/*", masks="m/*", image_key="(.+)", mask_key="(.+?)(?:_m)?", several=None
):
    return pairs.pairs(folder, images, masks, image_key, mask_key, several, [])


# -- patterns --------------------------------------------------------------------------------------


def test_suffixes_of_either_case(tmp_path):
    write(
        tmp_path, "i/a.jpg", "i/B.JPG", "i/c.Jpg", "i/d.png", "v/e.NII.GZ", "v/f.nii.gz", "v/g.gz"
    )
    assert found(tmp_path, "i/*.jpg") == ["i/B.JPG", "i/a.jpg", "i/c.Jpg"]
    assert found(tmp_path, "i/*.JPG") == found(tmp_path, "i/*.jpg")
    assert found(tmp_path, "v/*.nii.gz") == ["v/e.NII.GZ", "v/f.nii.gz"]
    assert found(tmp_path, "i/b*.jpg") == []  # names keep their case
    assert found(tmp_path, "i/B.J*") == ["i/B.JPG"]
    assert found(tmp_path, "i/[ab].*") == ["i/a.jpg"]


def test_hidden_and_foreign_files_are_left_out_and_counted(tmp_path):
    left = ["i/._a.png", "i/.DS_Store", "i/Thumbs.db", "i/desktop.ini", "__MACOSX/a.png"]
    write(tmp_path, "i/a.png", ".git/i/b.png", *left)
    foreign = []
    assert found(tmp_path, "i/*", foreign) == ["i/a.png"]
    assert sorted(foreign) == [".DS_Store", "._a.png", "Thumbs.db", "desktop.ini"]
    assert found(tmp_path, "**/*.png") == ["i/a.png"]
    assert found(tmp_path, "*/*.png") == ["i/a.png"]
    assert found(tmp_path, ".git/i/*") == [".git/i/b.png"]  # asked for by name
    assert found(tmp_path, ".g*/i/*") == [".git/i/b.png"]


def test_folders_are_no_files_and_two_stars_are_any_number_of_folders(tmp_path):
    write(tmp_path, "a.png", "x/b.png", "x/y/c.png", "x/d.png/e.txt")
    assert found(tmp_path, "**/*.png") == ["a.png", "x/b.png", "x/y/c.png"]
    assert found(tmp_path, "x/**/*.png") == ["x/b.png", "x/y/c.png"]
    assert found(tmp_path, "**/y/*.png") == ["x/y/c.png"]
    assert found(tmp_path, "x/**") == ["x/b.png", "x/d.png/e.txt", "x/y/c.png"]
    assert found(tmp_path, "**/**/*.png") == ["a.png", "x/b.png", "x/y/c.png"]  # each once


def test_links_to_folders_are_followed_and_end(tmp_path):
    write(tmp_path, "set/a.png", "elsewhere/b.png", "elsewhere/deep/c.png")
    (tmp_path / "set/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set/again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/deep/up").symlink_to(tmp_path / "set")
    names = found(tmp_path / "set", "**/*.png")
    assert [name.rsplit("/", 1)[-1] for name in names] == ["a.png", "b.png", "c.png"]
    assert found(tmp_path / "set", "*/*.png") == ["again/b.png", "more/b.png"]


def test_names_match_however_accents_are_written(tmp_path):
    write(tmp_path, f"{NFD}s/{NFD}.png")
    assert found(tmp_path, f"{NFC}s/{NFC}*.png") == [f"{NFD}s/{NFD}.png"]


def test_absolute_patterns_and_those_that_lead_up(tmp_path, monkeypatch):
    write(tmp_path, "set/a.png", "masks/b.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    above = str(tmp_path / "masks/b.png")
    for pattern in (f"{tmp_path}/masks/*.png", "~/masks/*.png", "$HOME/masks/*"):
        assert found(tmp_path / "set", pattern) == [above]
    assert len(found(tmp_path / "set", "../masks/*.png")) == 1


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(listing.os, "scandir", refuse)
    with pytest.raises(UserError, match=r"cannot be looked into \(Permission denied\)"):
        found(tmp_path, "*")


# -- folders ---------------------------------------------------------------------------------------


def test_home_and_variables_are_expanded(tmp_path, monkeypatch):
    write(tmp_path, "set/a.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in ("~/set", "$HOME/set", "${HOME}/set"):
        assert listing.user_path(path) == tmp_path / "set"
    monkeypatch.chdir(write(tmp_path, "$HOME/b.png"))
    assert str(listing.user_path("$HOME")) == "$HOME"  # there is one of this name
    assert str(listing.user_path("~nobody-of-this-name/x")) == "~nobody-of-this-name/x"


def has_images(folder):
    return (folder / "images").is_dir()


@pytest.mark.parametrize("below", ["", "top", "zip/Top"])
def test_the_only_folder_that_fits_is_found(tmp_path, below):
    write(tmp_path, f"{below}/images/a.png", "__MACOSX/images/._a.png", "notes.txt")
    assert listing.descend(str(tmp_path), has_images) == tmp_path / below


def test_a_folder_that_may_mean_several_is_refused(tmp_path):
    write(tmp_path, "train/images/a.png", "test/images/a.png")
    with pytest.raises(UserError, match=f"may mean any of {tmp_path}/test, {tmp_path}/train; set"):
        listing.descend(str(tmp_path), has_images)


def test_a_folder_that_is_not_there_says_what_is(tmp_path):
    write(tmp_path, "polyps/a.png", "notes.txt")
    with pytest.raises(UserError) as error:
        listing.descend(str(tmp_path / "polips"), has_images)
    assert (
        f"no such folder; set it to where the image set lies ({tmp_path} holds notes.txt, polyps/)"
        in str(error.value)
    )
    with pytest.raises(UserError, match=r"notes.txt': is no folder"):
        listing.descend(str(tmp_path / "notes.txt"), has_images)


# -- pairs -----------------------------------------------------------------------------------------


def test_what_a_pattern_leaves_out_is_logged(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    write(tmp_path, "i/1.png", "i/x.png", "i/.DS_Store", "m/1_m.png")
    assert [p.key for p in pair(tmp_path, image_key=r"(\d+)")] == ["1"]
    assert (
        r"i/*: 1 files used; left out: 1 hidden or foreign (.DS_Store), "
        r"1 with names unlike (\d+) (x.png)" in caplog.text
    )


def test_no_file_of_a_pattern_says_what_is_there(tmp_path):
    write(tmp_path, "i/1.png", "i/2.png", "m/1.png", ".hidden")
    with pytest.raises(UserError) as error:
        pair(tmp_path, images="pictures/*.png")
    assert (
        str(error.value)
        == f"{tmp_path}/pictures/*.png: no file of this pattern; {tmp_path} holds i/, m/"
    )
    with pytest.raises(UserError, match=r"with a name like '\(x.\+\)', as 1.png is not"):
        pair(tmp_path, image_key="(x.+)")


def test_keys_are_the_same_however_accents_are_written(tmp_path):
    write(tmp_path, f"i/{NFD}.png", f"m/{NFC}.png")
    (only,) = pair(tmp_path)
    assert only.key == NFC and only.problem is None
    (only,) = pair(tmp_path, image_key=f"({NFD}).*", mask_key=f"({NFC}).*")  # as it is typed too
    assert only.key == NFC


def test_two_names_that_look_alike_are_told_apart(tmp_path):
    write(tmp_path, f"i/{NFD}.png", f"i/{NFC}.png", f"m/{NFC}.png")
    with pytest.raises(UserError) as error:
        pair(tmp_path)
    assert "\\xf3" in str(error.value) and "\\u0301" in str(error.value)


def test_names_that_are_not_utf8_are_shown(tmp_path):
    write(tmp_path, "i/a.png", "m/a.png")
    for folder in ("i", "m"):
        write(tmp_path / folder, os.fsdecode(b"p\xe4tient.png"))
    good, bad = pair(tmp_path)
    assert good.problem is None
    assert bad.key == "p\\xe4tient"
    assert "p\\xe4tient.png: its name is not in UTF-8" in bad.problem
    (bad.key + bad.problem).encode()  # can be written anywhere


def test_folders_that_are_not_utf8_are_shown_in_every_message(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    inner = write(tmp_path, os.fsdecode(b"p\xf3lipos/i/a.png"), os.fsdecode(b"p\xf3lipos/m/a.png"))
    top = listing.descend(str(inner), lambda folder: (folder / "i").is_dir())
    (bad,) = pair(top)
    bad.problem.encode()
    with pytest.raises(UserError) as error:
        pair(top, images="none/*")
    str(error.value).encode()
    caplog.text.encode()


def test_a_link_to_what_is_gone_is_a_problem(tmp_path):
    write(tmp_path, "m/a.png", "i/b.png", "m/b.png")
    (tmp_path / "i/a.png").symlink_to("../annex/objects/a")
    broken, good = pair(tmp_path)
    assert "i/a.png: is a link to ../annex/objects/a, which is not there" in broken.problem
    assert good.problem is None


def test_several_masks_need_a_word(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    write(tmp_path, "i/a.png", "i/b.png", "m/left/a.png", "m/right/a.png", "m/right/b.png")
    with pytest.raises(
        UserError,
        match=r"right/a.png and .*left/a.png share the key 'a'; set `several_masks: unite`",
    ):
        pair(tmp_path, masks="m/*/*")
    one, two = pair(tmp_path, masks="m/*/*", several="unite")
    assert [p.parent.name for p in one.masks] == ["left", "right"] and one.classes is None
    assert len(two.masks) == 1
    assert "masks per picture: 1 for 1, 2 for 1" in caplog.text
    one, two = pair(tmp_path, masks="m/*/*", several="classes")
    assert (one.classes, two.classes) == ([1, 2], [2])  # the class is the folder's, not the place's
    assert "classes: 1 m/left/*, 2 m/right/*" in caplog.text
    one, two = pair(tmp_path, masks="m/right/*")
    assert len(one.masks) == len(two.masks) == 1


def test_classes_of_names_in_one_folder(tmp_path):
    write(tmp_path, "i/I1.png", "m/I1_attribute_globules.png", "m/I1_attribute_streaks.png")
    (one,) = pair(tmp_path, mask_key=r"(I\d+)_attribute_.+", several="classes")
    assert one.classes == [1, 2]


@pytest.mark.parametrize("kinds", [255, 256])
def test_classes_are_as_many_as_a_byte_tells_apart(tmp_path, kinds):
    write(tmp_path, "i/a.png", *(f"m/a_{kind:03d}.png" for kind in range(kinds)))
    if kinds == 255:
        (one,) = pair(tmp_path, mask_key="(a)_.+", several="classes")
        assert one.classes == list(range(1, 256))
        return
    with pytest.raises(UserError, match="classes: 256 kinds of masks; use `unite`"):
        pair(tmp_path, mask_key="(a)_.+", several="classes")


def test_a_name_in_which_the_group_takes_no_part_has_no_key(tmp_path):
    write(tmp_path, "i/p1.png", "i/cover.png", "m/p1.png")
    (only,) = pair(tmp_path, image_key=r"p(\d)|.*", mask_key=r"p(\d)")
    assert only.key == "1" and only.problem is None


def test_a_key_with_a_slash_is_held_against_the_path(tmp_path):
    write(tmp_path, *(f"p{i}/{name}.png" for i in (1, 2) for name in ("image", "mask")))
    keys = {"image_key": "(.+)/image", "mask_key": "(.+)/mask"}
    assert [p.key for p in pair(tmp_path, "*/image.png", "*/mask.png", **keys)] == ["p1", "p2"]
    nuclei = [f"n{i}/masks/{i}{j}.png" for i in (1, 2) for j in range(3)]
    write(tmp_path, "n1/images/n1.png", "n2/images/n2.png", *nuclei)
    found = pair(tmp_path, "n*/images/*", "n*/masks/*", mask_key="(.+?)/masks/.+", several="unite")
    assert [(p.key, len(p.masks)) for p in found] == [("n1", 3), ("n2", 3)]


def test_two_images_of_one_key_are_refused(tmp_path):
    write(tmp_path, "i/a.png", "i/a.jpg", "m/a.png")
    with pytest.raises(
        UserError, match=r"i/a.png and .*i/a.jpg share the key 'a'; narrow `images`"
    ):
        pair(tmp_path, several="unite")


# -- cases -----------------------------------------------------------------------------------------


def of_case(folder, names, file=None, key=None):
    return pairs.cases(names, [folder], file, key, names)


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        ([f"p{p}-{n}" for p in range(6) for n in range(3)], 6),
        ([f"patient {p}/slice {n}" for p in range(5) for n in range(2)], 5),
        ([f"{name}_{n}" for name in ("benign", "malignant", "normal") for n in range(9)], None),
        ([f"image_{n:04}" for n in range(20)], None),
        ([f"CHNCXR_{n:04}_{n % 2}" for n in range(20)], None),
        ([f"cju{n}0qk{n}" for n in range(20)], None),
        (["extra", *(f"p{p}-{n}" for p in range(6) for n in range(3))], None),
        ([], None),
    ],
)
def test_names_of_several_pictures_of_a_case_are_told_from_others(names, groups):
    hint = pairs.hint_of_cases(names)
    said = f"the {len(names)} names make {groups} groups"
    assert hint is None if groups is None else said in hint


def test_the_example_is_of_one_group():
    names = ["a-1", *(f"p{p}-{n}" for p in range(6) for n in range(3))]
    assert "'p0-0' and 'p0-1'" in pairs.hint_of_cases(names)


def test_cases_by_a_pattern(tmp_path):
    assert of_case(tmp_path, ["a-1", "a-2", "b-1"], key=r"(.+)-\d+") == ["a", "a", "b"]
    with pytest.raises(UserError, match=r"case_key: .*has no case for 1 items, first 'c'"):
        of_case(tmp_path, ["a-1", "c"], key=r"(.+)-\d+")
    with pytest.raises(UserError, match=r"case_key: '.': must have a group"):
        of_case(tmp_path, ["a"], key=".")
    with pytest.raises(UserError, match="keep one"):
        of_case(tmp_path, ["a"], file="cases.csv", key="(.)")


def test_a_file_of_cases_lies_in_the_set_or_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "set").mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cases.csv").write_text("id,case\na,here\n")
    assert of_case(tmp_path / "set", ["a"], file="cases.csv") == ["here"]
    (tmp_path / "set/cases.csv").write_text("id,case\na,there\n")
    assert of_case(tmp_path / "set", ["a"], file="cases.csv") == ["there"]
    assert of_case(tmp_path / "set", ["a"], file=str(tmp_path / "cases.csv")) == ["here"]


@pytest.mark.parametrize(
    "text",
    [
        f"id,case\n{NFC},1\n",
        f"\ufeffid;case\r\n{NFD};1\r\n",  # as a spreadsheet writes it in some countries
        f'case,id,note\n1,{NFC},"a, b"\n',
    ],
)
def test_files_of_cases_as_programs_write_them(tmp_path, text):
    (tmp_path / "cases.csv").write_bytes(text.encode())
    assert of_case(tmp_path, [NFC], file="cases.csv") == ["1"]


def test_an_id_with_two_cases_is_refused(tmp_path):
    (tmp_path / "cases.csv").write_text("id,case\na,1\na,1\na,2\n")
    with pytest.raises(UserError, match="'a' stands there with two cases"):
        of_case(tmp_path, ["a"], file="cases.csv")


@pytest.mark.parametrize("data", [b"id\na\n", b"\xff\xfe\x00", b"", None, b'id,case\n"a'])
def test_files_that_hold_no_cases_are_refused(tmp_path, data):
    if data is not None:
        (tmp_path / "cases.csv").write_bytes(data)
    with pytest.raises(UserError, match=r"cases: cases.csv: needs to be a CSV"):
        of_case(tmp_path, ["a"], file="cases.csv")


# -- changes ---------------------------------------------------------------------------------------


def test_stamps_change_with_names_sizes_and_times(tmp_path):
    write(tmp_path, "i/a.png", "i/b.png")
    files = [tmp_path / "i/a.png", tmp_path / "i/b.png"]
    before = listing.stamps(files, tmp_path)
    assert listing.stamps(files, tmp_path) == before and set(before) == {"i/a.png", "i/b.png"}
    files[0].write_text("x")
    os.utime(files[1], ns=(1, 2))
    after = listing.stamps(files, tmp_path)
    assert after["i/a.png"][0] == 1 and after["i/b.png"] == (0, 2)


def test_ten_thousand_files_take_no_time(tmp_path):
    write(tmp_path, *(f"{kind}/{i}.png" for kind in "im" for i in range(5000)))
    began = time.process_time()
    found = pair(tmp_path)
    listing.stamps([p.image for p in found], tmp_path)
    assert len(found) == 5000
    assert time.process_time() - began < 2
