"""A file of results is taken whole or refused with one sentence that names the line."""

import re

import pytest

from automl_bench.errors import UsageError
from automl_bench.report.importing import IMPORT_COLUMNS, read_results

OURS = "provider,variant,dataset,shots,fold,accuracy\n"
PUBLISHED = "dataset,classes,images_per_class,service,accuracy_pct,train_images,train_time_s\n"


def written(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "results.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_our_own_format_is_read_with_every_column_in_any_order(tmp_path):
    names = list(reversed(IMPORT_COLUMNS))
    values = {"provider": "acme", "variant": "xl", "dataset": "pets, big", "shots": "all", "fold": "2"}
    values |= {"accuracy": "0.875", "classes": "37", "test_samples": "3669", "train_seconds": "12.5"}
    cells = [f'"{values[name]}"' for name in names]
    (one,) = read_results(written(tmp_path, f"{','.join(names)}\n{','.join(cells)}\n"))
    assert (one.provider, one.variant, one.dataset, one.shots, one.fold) == ("acme", "xl", "pets, big", None, 2)
    assert (one.accuracy, one.classes, one.test_samples, one.train_seconds) == (0.875, 37, 3669, 12.5)


def test_a_byte_order_mark_blank_lines_and_windows_line_ends_do_no_harm(tmp_path):
    text = OURS + "acme,,pets,5,0,0.5\n\nacme,,pets,5,1,0.6\n"
    found = read_results(written(tmp_path, text.replace("\n", "\r\n"), "utf-8-sig"))
    assert [one.accuracy for one in found] == [0.5, 0.6]
    assert found[0].variant == "imported"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("acme,x,pets,5,0,0.5\n", "line 1: the header lacks provider, dataset, shots, accuracy"),
        ("provider,dataset,shots\n", "line 1: the header lacks accuracy"),
        ("provider,provider,dataset,shots,accuracy\n", "line 1: a column is named twice"),
        (OURS.replace("fold", "flod"), "line 1: unknown column 'flod'"),
        (OURS, "has a header but no results"),
        (OURS + "acme,x,pets,5,0,0.5\nacme,x,pets,5,1\n", "line 3: has 5 cells where the header has 6"),
        (OURS + "acme,x,pets,5,0,good\n", "line 2: accuracy is 'good', not a number"),
        (OURS + 'acme,x,pets,5,0,"0,875"\n', "line 2: accuracy is '0,875', with a decimal comma"),
        (OURS + "acme,x,pets,5,0,87.5%\n", "line 2: accuracy is '87.5%', a percentage"),
        (OURS.replace(",", ";") + "acme;x;pets;5;0;0,5\n", "line 1: the columns are separated by semicolons"),
        (OURS + "acme,x,pets,5,0,nan\n", "line 2: accuracy is 'nan', not a number"),
        (OURS + "acme,x,pets,5,0,87.5\n", "line 2: accuracy is 87.5, it must be 0 to 1"),
        (OURS + "acme,x,pets,5,0,-0.1\n", "line 2: accuracy is -0.1, it must be 0 to 1"),
        (OURS + "acme,x,pets,0,0,0.5\n", "line 2: shots is 0, it must be 1 or more"),
        (OURS + "acme,x,pets,2.5,0,0.5\n", "line 2: shots is 2.5, not a whole number"),
        (OURS + ",x,pets,5,0,0.5\n", "line 2: provider is empty"),
        (OURS + "acme,x,pets,5,0,0.5\nacme,x,pets,5,0,0.6\n", "line 3: repeats the result of line 2"),
        (PUBLISHED + "pets,37,5,AWS,182.9,185,4730\n", "line 2: accuracy_pct is 182.9, it must be 0 to 100"),
        (PUBLISHED + "pets,37,five,AWS,82.9,185,4730\n", "line 2: images_per_class is 'five', not a number"),
        (OURS + 'acme,"x,pets,5,0,0.5\n', "is not a readable CSV"),
    ],
)
def test_a_bad_file_is_one_sentence_with_a_remedy(tmp_path, text, message):
    with pytest.raises(UsageError) as caught:
        read_results(written(tmp_path, text))
    assert message in caught.value.message
    assert caught.value.message.count("\n") == 0
    assert caught.value.remedy


def test_a_missing_file_a_folder_and_a_picture_are_refused(tmp_path):
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe\x00")
    for path, message in (
        (tmp_path / "no.csv", "does not exist"),
        (tmp_path, "cannot be read"),
        (picture, "is not UTF-8 text"),
    ):
        with pytest.raises(UsageError, match=message):
            read_results(path)


@pytest.mark.parametrize("cell", ["87.5%", "87.5 %", "87.5", '"0,875"', '"87,5%"'])
def test_the_remedy_for_a_number_in_another_form_works(tmp_path, cell):
    with pytest.raises(UsageError) as caught:
        read_results(written(tmp_path, OURS + f"acme,x,pets,5,0,{cell}\n"))
    (remedy,) = re.findall(r"Write it (?:as|with a point:) ([\d.]+)\.$", caught.value.remedy)
    (one,) = read_results(written(tmp_path, OURS + f"acme,x,pets,5,0,{remedy}\n"))
    assert one.accuracy == 0.875
