//! `include/dialplane.h` is what cbindgen makes of the sources. `UPDATE_HEADER=1 cargo test -p dialplane-capi --test header` writes it anew.

use dialplane_syntax::HeaderId;
use std::fmt::Write as _;
use std::path::Path;

/// Rust name and name in C.
const TYPES: [(&str, &str); 18] = [
    ("Address", "dp_address"),
    ("Api", "dp_api"),
    ("CSeq", "dp_cseq_value"),
    ("Edits", "dp_edits"),
    ("Essentials", "dp_essentials"),
    ("Field", "dp_field_view"),
    ("Host", "dp_host"),
    ("HostKind", "dp_host_kind"),
    ("Limits", "dp_limits"),
    ("Message", "dp_message"),
    ("Method", "dp_method_id"),
    ("Rejection", "dp_rejection"),
    ("Scheme", "dp_scheme"),
    ("Slice", "dp_slice"),
    ("Status", "dp_status"),
    ("Uri", "dp_uri"),
    ("Via", "dp_via"),
    ("ABI_VERSION", "DP_ABI_VERSION"),
];

#[test]
fn the_committed_header_is_the_generated_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = cbindgen::Config {
        language: cbindgen::Language::C,
        include_guard: Some("DIALPLANE_H".into()),
        header: Some(HEAD.into()),
        after_includes: Some(header_ids()),
        cpp_compat: true,
        documentation_style: cbindgen::DocumentationStyle::C99,
        documentation_length: cbindgen::DocumentationLength::Full,
        style: cbindgen::Style::Both,
        line_length: 120,
        tab_width: 4,
        usize_is_size_t: true,
        ..cbindgen::Config::default()
    };
    config.export.include = vec!["Api".into()];
    config.export.rename = TYPES.iter().map(|(rust, c)| ((*rust).into(), (*c).into())).collect();
    config.enumeration.rename_variants = cbindgen::RenameRule::QualifiedScreamingSnakeCase;
    let mut made = Vec::new();
    cbindgen::Builder::new()
        .with_crate(folder)
        .with_config(config)
        .generate()
        .expect("cbindgen reads the sources")
        .write(&mut made);
    let made = without_rust(&String::from_utf8(made).expect("a header is text"));
    let path = folder.join("include/dialplane.h");
    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::write(&path, &made).expect("the header can be written");
    }
    let committed = std::fs::read_to_string(&path).expect("the header is there");
    assert!(committed == made, "include/dialplane.h is not what the sources say: UPDATE_HEADER=1 writes it anew");
}

/// What a comment says of Rust is taken out: a C programmer has no `# Safety` section, all of C is one.
fn without_rust(text: &str) -> String {
    let mut out = String::new();
    let mut is_safety = false;
    for line in text.lines() {
        let comment = line.trim_start().starts_with("//");
        is_safety = comment && (is_safety || line.trim_end().ends_with("# Safety"));
        if is_safety {
            // The blank comment line before the section goes as well.
            if line.trim_end().ends_with("# Safety") && out.ends_with("//\n") {
                out.truncate(out.trim_end_matches("//\n").len());
            }
            continue;
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn header_ids() -> String {
    let mut text = String::from(
        "\n// Header ids, for `id` of a field. They are those of this version; dp_header_id gives them at run time.\nenum {\n",
    );
    for number in 0..HeaderId::COUNT - 1 {
        let name = HeaderId::from_index(number).name();
        let upper = name.to_ascii_uppercase().replace('-', "_");
        writeln!(text, "    DP_HEADER_{upper} = {number},").expect("a string can be written");
    }
    writeln!(text, "    DP_HEADER_OTHER = {}\n}};", HeaderId::OTHER.index()).expect("a string can be written");
    text
}

const HEAD: &str = "\
// The SIP parser of dialplane for C. Made by cbindgen from native/capi/src; do not edit.
//
// A handle is made once and used for one message after the other; octets stay the caller's. Nothing is allocated but by functions
// whose name ends in _new. A slice points into the octets that were parsed, and is valid as long as they are; it does not end with NUL.
//
//     dp_message *message = dp_message_new(0);
//     dp_address from;
//     if (dp_parse(message, octets, length) == DP_STATUS_OK && dp_from(message, &from) == DP_STATUS_OK)
//         printf(\"%.*s\\n\", (int)from.uri.length, (const char *)from.uri.data);
//     dp_message_free(message);";
