use super::*;

fn ids(file: &IdFile) -> Vec<&str> {
    file.ids.iter().map(UserId::as_str).collect()
}

#[test]
fn a_file_as_people_make_it_loses_nothing() {
    let text = "\u{feff}userId\r\n a-1 \r\n\r\n\"a-2\"\r\na-1\r\n   \r\no'brien:x%\r\na-3,\r\na-4";
    let file = read(text.as_bytes()).unwrap();
    assert_eq!(ids(&file), ["a-1", "a-2", "o'brien:x%", "a-3", "a-4"]);
    assert_eq!(
        (file.lines.count, file.lines.blank, file.repeats, file.lines.header, file.lines.invalid),
        (9, 2, 1, true, 0)
    );
    let lines = &file.lines;
    assert_eq!(lines.count, file.ids.len() as u64 + lines.blank + file.repeats + u64::from(lines.header));
}

#[test]
fn invalid_lines_are_named_by_their_number() {
    let long = "x".repeat(256);
    let text = format!("a-1\n\na b\n{long}\n\"a-2\nb,c\na;b\na\u{0}b\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(b"\xff\xfe\n\"\"\n");
    let file = read(bytes.as_slice()).unwrap();
    assert_eq!(ids(&file), ["a-1"]);
    let numbers: Vec<u64> = file.lines.named.iter().map(|(line, _)| *line).collect();
    assert_eq!(numbers, [3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!((file.lines.invalid, file.lines.count), (8, 10));
    let problems: Vec<&str> = file.lines.named.iter().map(|(_, problem)| problem.as_str()).collect();
    assert!(problems[0].starts_with("holds a space"), "{problems:?}");
    assert_eq!(problems[1], "is longer than 255 characters");
    assert_eq!(problems[2], "has a quote that is not closed");
    assert!(problems[3].starts_with("has more than one column"), "{problems:?}");
    assert_eq!(problems[6..], ["is not UTF-8", "is blank"]);
}

#[test]
fn arguments_are_taken_as_they_are() {
    let arguments = ["user", "a,b", "\"c", "user"].map(str::to_owned);
    let list = of_arguments(&arguments);
    assert_eq!((ids(&list), list.repeats, list.lines.header), (vec!["user", "a,b", "\"c"], 1, false));
}

#[test]
fn quotes_never_reach_beyond_their_line() {
    let file = read("\"a\"\nb\",\"\n\"c\n\"d\"\"e\"\n".as_bytes()).unwrap();
    assert_eq!(ids(&file), ["a", "d\"e"]);
    assert_eq!(file.lines.named.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn lines_that_end_in_an_old_way_are_not_lost_in_silence() {
    let file = read("a\rb\rc\r\nd\r\n".as_bytes()).unwrap();
    assert_eq!((ids(&file), file.lines.invalid), (vec!["d"], 1));
    assert!(file.lines.named[0].1.starts_with("holds a carriage return"), "{:?}", file.lines.named);
}

#[test]
fn a_header_says_which_column_holds_the_ids() {
    let file = read("name,User ID,id\nJane,u-1,1\nJohn,u-2,2\nshort\n".as_bytes()).unwrap();
    assert_eq!(ids(&file), ["u-1", "u-2"]);
    assert_eq!(file.lines.named, [(4, "is shorter than the header".to_owned())]);
    let file = read("u-1\nuserId\n".as_bytes()).unwrap();
    assert_eq!(ids(&file), ["u-1", "userId"], "only the first line is a header");
}

#[test]
fn what_is_no_list_of_ids_is_refused_as_a_whole() {
    let endless = vec![b'x'; 70_000];
    for (bytes, problem) in [(b"\xff\xfea\0".as_slice(), "UTF-16"), (endless.as_slice(), "line 1 is longer")] {
        let error = read(bytes).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
    assert_eq!(read(b"".as_slice()).unwrap(), IdFile::default());
    let only_a_mark = read("\u{feff}\nu-1\n".as_bytes()).unwrap();
    assert_eq!((ids(&only_a_mark), only_a_mark.lines.blank, only_a_mark.lines.invalid), (vec!["u-1"], 1, 0));
}

#[test]
fn only_the_first_invalid_lines_are_remembered() {
    let file = read("a b\n".repeat(1000).as_bytes()).unwrap();
    assert_eq!((file.lines.invalid, file.lines.named.len()), (1000, MAX_NAMED));
}
