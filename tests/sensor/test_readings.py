"""Lines of numbers, as programs print them, into readings."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime, timedelta

import pytest

from typeahead.errors import SensorError
from typeahead.sensor.readings import Counts, Parser, Reading, Selection

VMSTAT = """\
procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu-----
 r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st
 2  0      0 24207556  10904 352692    0    0   247   435  558 1044 69  5 26  0  0
 1  0      0 24207556  10904 352692    0    0 53000    40 1190 1852  8 12 76  4  0
"""
PING = """\
PING localhost (127.0.0.1) 56(84) bytes of data.
64 bytes from 127.0.0.1: icmp_seq=1 ttl=57 time=12.3 ms
64 bytes from 127.0.0.1: icmp_seq=2 ttl=57 time=12.4 ms
From 10.0.0.1 icmp_seq=3 Destination Host Unreachable

--- localhost ping statistics ---
3 packets transmitted, 2 received, 33% packet loss, time 2003ms
"""
NAB = "timestamp,value\n2014-04-01 00:00:00,20.0\n2014-04-01 00:05:00,21.5\n"
NAB_S = datetime(2014, 4, 1, tzinfo=UTC).timestamp()


def read(text: str, **selection: object) -> tuple[Parser, list[Reading]]:
    parser = Parser(Selection(**selection))
    return parser, list(parser.read(text.encode().splitlines()))


def values(text: str, **selection: object) -> list[tuple[float, ...]]:
    return [reading.values for reading in read(text, **selection)[1]]


def total(counts: Counts) -> int:
    return counts.readings + counts.headers + counts.blank + counts.comments + sum(counts.skipped.values())


# Formats


def test_vmstat_is_read_by_the_names_of_its_second_line_which_comes_again_each_screenful():
    parser, readings = read(VMSTAT + VMSTAT)
    assert parser.names[:2] == ("r", "b")
    assert parser.names[-5:] == ("us", "sy", "id", "wa", "st")
    assert [reading.values[-5] for reading in readings] == [69, 8, 69, 8]
    assert (parser.counts.headers, parser.counts.skipped) == (4, {})


def test_a_header_lets_the_first_line_of_numbers_through_at_once_and_without_one_it_waits_for_the_second():
    parser = Parser()
    assert [len(parser.push(line)) for line in VMSTAT.splitlines()] == [0, 0, 1, 1]
    parser = Parser()
    assert [len(parser.push(line)) for line in ("5", "6", "7")] == [0, 2, 1]
    parser = Parser()
    assert parser.push("5") == []
    assert [reading.values for reading in parser.finish()] == [(5.0,)]


def test_vmstat_with_times_has_one_name_for_the_two_cells_of_date_and_clock():
    lines = VMSTAT.splitlines()
    stamped = "\n".join(
        [f"{lines[0]} -----timestamp-----", f"{lines[1]}                 UTC", f"{lines[2]} 2026-11-26 17:08:37"]
    )
    parser, readings = read(stamped)
    assert parser.names[-1] == "st"
    assert readings[0].text_time == "2026-11-26 17:08:37"
    assert readings[0].time_s == datetime(2026, 11, 26, 17, 8, 37, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("times", "first_s"), [(("11:59:59 PM", "12:00:00 AM"), 86399.0), (("23:59:59", "00:00:00"), 86399.0)]
)
def test_sar_gives_the_time_of_day_which_goes_on_past_midnight(times, first_s):
    header = f"{times[0]}     CPU     %user     %idle"
    system = "Linux 5.15.0 (host) \t11/26/2026 \t_x86_64_\t(2 CPU)"
    text = f"{system}\n\n{header}\n{times[0]} all 0.5 99\n{times[1]} all 7 93\n"
    parser, readings = read(text)
    assert parser.names == ("%user", "%idle")
    assert [reading.time_s for reading in readings] == [first_s, first_s + 1]
    assert [reading.text_time for reading in readings] == list(times)


def test_iostat_reports_of_the_processor_are_read_and_those_of_devices_in_between_counted():
    cpu = "avg-cpu:  %user   %nice %system\n           {}    0.00    0.50\n\n"
    device = "Device             tps    kB_read/s    kB_wrtn/s    kB_dscd/s\nsda 1.0 2.0 3.0 4.0\n\n"
    parser, readings = read(cpu.format(1.5) + device + cpu.format(2.5) + device)
    assert parser.names == ("%user", "%nice", "%system")
    assert [reading.values[0] for reading in readings] == [1.5, 2.5]
    assert sum(parser.counts.skipped.values()) == 4


def test_sadf_has_its_header_in_a_comment():
    text = "# hostname;interval;timestamp;CPU;%user\nh;60;2014-04-01 00:00:00 UTC;-1;5.5\n"
    parser, readings = read(text, columns=("%user",))
    assert readings == [Reading((5.5,), NAB_S, 2, "2014-04-01 00:00:00 UTC")]
    assert parser.counts.headers == 1


def test_commands_with_blanks_in_the_last_column_of_ps_are_one_column():
    text = "USER PID %CPU COMMAND\nroot 1 0.5 /sbin/init splash x\nroot 2 0.75 bash\n"
    assert values(text, columns=("%CPU",)) == [(0.5,), (0.75,)]
    assert read(text)[0].names == ("PID", "%CPU")


def test_the_name_of_the_last_column_of_df_has_two_words():
    text = "Filesystem      Size  Used Avail Use% Mounted on\n/dev/sda1        98G   49G   45G  53% /\n"
    assert values(text * 2, columns=("Use%", "Used")) == [(53.0, 49e9)] * 2


def test_free_names_its_rows_in_a_column_without_a_name():
    text = "        total        used\nMem:     100   60\nMem:     100   61\n"
    assert values(text, columns=("used",)) == [(60.0,), (61.0,)]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separated_values_are_read_with_and_without_a_header(separator):
    text = NAB.replace(",", separator)
    parser, readings = read(text)
    assert parser.names == ("value",)
    assert readings == [
        Reading((20.0,), NAB_S, 2, "2014-04-01 00:00:00"),
        Reading((21.5,), NAB_S + 300, 3, "2014-04-01 00:05:00"),
    ]
    parser, bare = read(text.split("\n", 1)[1])
    assert parser.names == ("column 2",)
    assert [reading[:2] for reading in bare] == [reading[:2] for reading in readings]


def test_quoted_fields_may_hold_the_separator_and_quotes():
    text = 'name,"load, 1 min"\n"a ""b"", c",0.5\n"d",0.75\n'
    parser, readings = read(text)
    assert parser.names == ("load, 1 min",)
    assert [reading.values for reading in readings] == [(0.5,), (0.75,)]


def test_date_and_clock_in_columns_side_by_side_are_one_time():
    _, readings = read("date,time,value\n2014-04-01,00:05:00,5\n")
    assert readings == [Reading((5.0,), NAB_S + 300, 2, "2014-04-01 00:05:00")]


def test_json_lines_are_read_by_dotted_paths_through_objects_and_lists():
    text = '{"ts": 1396310400, "cpu": {"load": [0.5, 0.25]}, "ok": true, "n": "7"}\n'
    assert read(text, fields=("cpu.load.1", "ok"))[1] == [Reading((0.25, 1.0), NAB_S, 1, "1396310400")]
    parser, readings = read(text)
    assert parser.names == ("cpu.load.0", "cpu.load.1", "n")
    assert readings[0].values == (0.5, 0.25, 7.0)


def test_the_reply_times_of_ping_are_read_with_their_unit():
    parser, readings = read(PING, fields=("time",))
    assert [(reading.values, reading.line) for reading in readings] == [((12.3,), 2), ((12.4,), 3)]
    assert total(parser.counts) == parser.counts.lines == 7


def test_ping_with_times_has_them_in_brackets_before_the_pairs():
    _, readings = read("[1396310400.25] 64 bytes from x: icmp_seq=1 ttl=57 time=12.3 ms", fields=("time",))
    assert readings == [Reading((12.3,), NAB_S + 0.25, 1, "1396310400.25")]


def test_logfmt_is_read_by_its_keys():
    text = 'ts=2014-04-01T00:00:00Z level=info msg="took n=5 long" dur=12ms size=3\n' * 2
    parser, readings = read(text)
    assert parser.names == ("dur", "size")
    assert readings[1] == Reading((12.0, 3.0), NAB_S, 2, "2014-04-01T00:00:00Z")


def test_a_title_with_a_number_does_not_decide_what_follows():
    parser, readings = read("Report 2024\n" + NAB)
    assert [reading.values for reading in readings] == [(20.0,), (21.5,)]
    assert sum(parser.counts.skipped.values()) == 1


def test_a_given_format_is_not_guessed_at():
    assert values("1,5\n2,5\n", format="csv") == [(1.0, 5.0), (2.0, 5.0)]
    assert values("1,5\n2,5\n", format="columns") == [(1.5,), (2.5,)]
    with pytest.raises(SensorError, match=r"'xml'.*csv"):
        Selection(format="xml")


# Selection


@pytest.mark.parametrize("wanted", ["us", "US", "13", "-5"])
def test_a_column_is_chosen_by_name_or_by_number_from_either_end(wanted):
    parser, readings = read(VMSTAT, columns=(wanted,))
    assert parser.names == ("us",)
    assert [reading.values for reading in readings] == [(69.0,), (8.0,)]


def test_columns_come_in_the_order_in_which_they_are_asked_for():
    assert values("a b c\n1 2 3\n", columns=("c", "a", "2")) == [(3.0, 1.0, 2.0)]


@pytest.mark.parametrize("wanted", ["usr", "18", "-18", "0"])
def test_a_column_that_is_not_there_is_one_error_with_those_that_are(wanted):
    with pytest.raises(SensorError, match=rf"no column '{wanted}'; there are 'r', 'b'.* 'st': .* 1 to 17") as error:
        read(VMSTAT, columns=(wanted,))
    assert "\n" not in str(error.value)


def test_a_name_where_there_is_no_header_is_an_error():
    with pytest.raises(SensorError, match="no column 'us'; there are 'column 1', 'column 2'"):
        read("1 2\n3 4\n", columns=("us",))


def test_a_time_column_that_is_not_there_is_an_error():
    with pytest.raises(SensorError, match="no column 'when'; there are 'timestamp', 'value'"):
        read(NAB, time="when")


@pytest.mark.parametrize("text", ['{"cpu": {"load": 1}}\n', "cpu.load=1\n"])
def test_a_field_that_is_not_there_is_an_error_with_those_that_are(text):
    with pytest.raises(SensorError, match=r"no field 'cpu\.laod'; there are 'cpu\.load'"):
        read(text * 3, fields=("cpu.laod",))


def test_a_misspelt_field_ends_a_stream_that_would_go_on_for_ever():
    with pytest.raises(SensorError, match="'load'"):
        next(Parser(Selection(fields=("lod",))).read(itertools.repeat('{"load": 1}')))


def test_one_of_two_fields_that_never_comes_is_an_error_at_the_end():
    parser = Parser(Selection(fields=("load", "tmep")))
    assert len(parser.push('{"load": 1, "temp": 2}')) == 1
    with pytest.raises(SensorError, match="no field 'tmep'; there are 'load', 'temp'"):
        parser.finish()


def test_a_field_that_comes_late_is_no_error():
    text = '{"load": 1}\n' * 500 + '{"temp": 2}\n'
    assert values(text, fields=("load", "temp"))[-1][1] == 2.0


def test_fields_are_a_way_to_name_columns():
    assert values(VMSTAT, fields=("us",)) == [(69.0,), (8.0,)]


def test_columns_that_are_not_numbers_are_left_out_when_nothing_is_chosen():
    parser, _ = read("host,load,up,since\nalpha,0.5,yes,2014-04-01\nbeta,0.75,no,2014-04-02\n")
    assert parser.names == ("load",)


@pytest.mark.parametrize("name", ["time", "Timestamp", "date", "datetime", "ts", "@timestamp"])
def test_a_column_of_numbers_that_is_called_a_time_is_one(name):
    parser, readings = read(f"value,{name}\n5,1396310400\n")
    assert parser.names == ("value",)
    assert readings[0].time_s == NAB_S


def test_a_lone_column_called_time_is_a_series():
    assert values("time\n5\n6\n") == [(5.0,), (6.0,)]


def test_a_header_with_numbers_in_it_is_one_when_it_has_the_names_asked_for():
    assert values("year,1990\n2001,6\n", columns=("year", "-1")) == [(2001.0, 6.0)]


def test_names_that_come_twice_are_told_apart():
    assert read("a a  b\n1 2 3\n")[0].names == ("a", "a.2", "b")


def test_a_line_of_text_with_the_name_of_a_column_in_it_is_no_header():
    parser, readings = read("a b us\n1 2 3\nlet us go\n4 5 6\nus\n7 8 9\n", columns=("us",))
    assert [reading.values for reading in readings] == [(3.0,), (6.0,), (9.0,)]
    assert parser.counts.skipped == {"no numbers": 1, "too few columns": 1}


def test_a_later_header_may_have_more_columns():
    assert values("a,b\n1,2\nx,b,a\n3,4,5\n") == [(1.0, 2.0), (5.0, 4.0)]


def test_a_second_file_may_have_its_columns_in_another_order():
    parser, readings = read(NAB + "value,host,timestamp\n30,x,2014-04-01 00:10:00\n")
    assert readings[-1] == Reading((30.0,), NAB_S + 600, 5, "2014-04-01 00:10:00")
    assert parser.counts.headers == 2


# Times


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [
        ("2014-04-01 00:00:00", NAB_S),
        ("2014-04-01", NAB_S),
        ("2014/04/01 00:00:00", NAB_S),
        ("2014-04-01T00:00:00Z", NAB_S),
        ("2014-04-01 00:00:00 UTC", NAB_S),
        ("2014-04-01T02:00:00.500+02:00", NAB_S + 0.5),
        ("2014-04-01 02:00:00 +0200", NAB_S),
        ("2014-03-31T19:00:00-05:00", NAB_S),
        ("1396310400", NAB_S),
        ("1396310400.5", NAB_S + 0.5),
        ("1396310400500", NAB_S + 0.5),
        ("1396310400500000", NAB_S + 0.5),
        ("1396310400500000000", NAB_S + 0.5),
        ("7", 7.0),
    ],
)
def test_a_time_may_be_written_as(text, expected_s):
    _, readings = read(f"ts,value\n{text},5\n")
    assert readings == [Reading((5.0,), expected_s, 2, text)]


@pytest.mark.parametrize("text", ["", "-", "never", "2014-13-01", "25:00:00", "1e400", "nan", "04/01/2014"])
def test_a_time_that_cannot_be_read_is_none_and_counted(text):
    parser, readings = read(f"{NAB}{text},5\n")
    assert readings[-1] == Reading((5.0,), None, 4, text or None)
    assert parser.counts.odd_times == {"no time": 1}


def test_times_that_go_back_or_repeat_are_given_as_they_are_and_counted():
    seconds = [10, 20, 20, 5, 6, 30]
    parser, readings = read("ts,value\n" + "".join(f"{second},1\n" for second in seconds))
    assert [reading.time_s for reading in readings] == seconds
    assert parser.counts.odd_times == {"the same as the one before": 1, "earlier than the one before": 1}
    assert parser.counts.examples["earlier than the one before"] == (5, "5")


def test_irregular_times_are_exact():
    moments = [datetime(2014, 4, 1, tzinfo=UTC) + timedelta(seconds=s) for s in (0, 0.25, 7, 86400.125)]
    _, readings = read("ts,value\n" + "".join(f"{moment.isoformat()},1\n" for moment in moments))
    assert [reading.time_s for reading in readings] == [moment.timestamp() for moment in moments]


# Numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.3 ms", 12.3),
        ("45%", 45.0),
        ("1.5G", 1.5e9),
        ("1.5Gi", 1.5 * 2**30),
        ("3kB/s", 3000.0),
        ("+45.0°C", 45.0),
        ("-0,5", -0.5),
        ("12,25", 12.25),
        ("1.234.567,5", 1234567.5),
        ("1,234,567.5", 1234567.5),
        ("1,234,567", 1234567.0),
        ("1.5e3", 1500.0),
        ("-.5", -0.5),
    ],
)
def test_a_number_may_be_written_as(text, expected):
    assert values(f"a\tb\n{text}\t1\n", columns=("a",)) == [(expected,)]


@pytest.mark.parametrize(
    "text", ["12abc", "1.2.3", "127.0.0.1", "0x1F", "12:30", "1-2", ".", ",", "--", "1,23,4", "5m"]
)
def test_what_only_begins_like_a_number_is_none(text):
    parser, readings = read(f"a\tb\n1\t2\n{text}\t3\n", columns=("a",))
    assert len(readings) == 1
    assert parser.counts.skipped == {"no numbers": 1}


def test_a_comma_that_may_be_either_is_read_once_the_column_has_shown_which():
    assert values("a\n1,5\n1,234\n", format="columns") == [(1.5,), (1.234,)]
    assert values("a\n1,234,567\n1,234\n", format="columns") == [(1234567.0,), (1234.0,)]
    parser, readings = read("a\n1,234\n", format="columns")
    assert math.isnan(readings[0].values[0])
    assert list(parser.counts.missing) == ["a comma that may be decimal or of thousands"]


def test_between_semicolons_the_comma_is_decimal():
    assert values("a;b\n1,234;1\n", columns=("a",)) == [(1.234,)]


def test_times_in_several_units_are_in_that_of_the_first():
    assert values("took=900 us x=1\ntook=1.5 ms x=1\ntook=2 s x=1\n", fields=("took",)) == [(900.0,), (1500.0,), (2e6,)]


def test_a_unit_that_a_blank_parts_from_its_number_belongs_to_it():
    text = "host rtt\na 900 us\nb 1.5 ms\n"
    assert values(text, columns=("rtt",)) == [(900.0,), (1500.0,)]


def test_counters_that_reset_and_constant_series_pass_as_they_are():
    counts = [2**53 - 1, 2**53, 0, 0, 0, 1e-300, -5e-324]
    assert values("\n".join(map(repr, counts))) == [(float(count),) for count in counts]
