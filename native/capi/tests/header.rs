//! `include/dialplane.h` and the declarations for Cython are what cbindgen makes of the sources.
//! `UPDATE_HEADER=1 cargo test -p dialplane-capi --test header` writes them anew.

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
    let mut config = config(cbindgen::Language::C);
    config.include_guard = Some("DIALPLANE_H".into());
    config.header = Some(HEAD.into());
    config.after_includes = Some(header_ids());
    config.cpp_compat = true;
    config.documentation_style = cbindgen::DocumentationStyle::C99;
    config.style = cbindgen::Style::Both;
    compare("include/dialplane.h", &without_rust(&generate(config)));
}

/// The same structures and the table for Cython. Functions are left out: an extension that is not linked with the library calls through
/// the table.
#[test]
fn the_committed_declarations_for_cython_are_the_generated_ones() {
    let mut config = config(cbindgen::Language::Cython);
    config.header = Some(CYTHON_HEAD.into());
    config.no_includes = true;
    config.after_includes = Some(header_ids_for_cython());
    config.trailer = Some(CYTHON_TAIL.into());
    config.cython.header = Some("\"dialplane.h\"".into());
    config.cython.cimports =
        [("libc.stdint".into(), vec!["int32_t".into(), "uint8_t".into(), "uint32_t".into()])].into();
    config.style = cbindgen::Style::Type;
    config.export.item_types = {
        use cbindgen::ItemType::{Constants, Enums, OpaqueItems, Structs};
        vec![Constants, Enums, OpaqueItems, Structs]
    };
    compare("../python/dialplane_native/__init__.pxd", &for_cython(&generate(config)));
}

/// What both languages have in common.
fn config(language: cbindgen::Language) -> cbindgen::Config {
    let mut config = cbindgen::Config {
        language,
        documentation_length: cbindgen::DocumentationLength::Full,
        line_length: 120,
        tab_width: 4,
        usize_is_size_t: true,
        ..cbindgen::Config::default()
    };
    config.export.include = vec!["Api".into()];
    config.export.rename = TYPES.iter().map(|(rust, c)| ((*rust).into(), (*c).into())).collect();
    config.enumeration.rename_variants = cbindgen::RenameRule::QualifiedScreamingSnakeCase;
    config
}

fn generate(config: cbindgen::Config) -> String {
    let mut made = Vec::new();
    cbindgen::Builder::new()
        .with_crate(env!("CARGO_MANIFEST_DIR"))
        .with_config(config)
        .generate()
        .expect("cbindgen reads the sources")
        .write(&mut made);
    String::from_utf8(made).expect("a header is text")
}

fn compare(file: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::write(&path, made).expect("the file can be written");
    }
    let committed = std::fs::read_to_string(&path).expect("the file is there");
    assert!(committed == made, "{file} is not what the sources say: UPDATE_HEADER=1 writes it anew");
}

/// What cbindgen cannot know of Cython: that the functions of the table need no lock and raise nothing, its word for `bool`, and
/// that `from` is a word of its grammar.
fn for_cython(text: &str) -> String {
    let mut out = String::new();
    let mut is_function = false;
    for line in text.lines() {
        let (code, comment) = line.find('#').map_or((line, ""), |at| line.split_at(at));
        let mut code = code
            .replace("bool ", "bint ")
            .replace("(*from)(", "(*from_ \"from\")(")
            .replace(" from;", " from_ \"from\";");
        // An argument list may go over several lines.
        is_function |= code.contains("(*");
        if is_function && code.ends_with(");") {
            code.insert_str(code.len() - 1, " noexcept nogil");
            is_function = false;
        }
        out.push_str(format!("{code}{comment}").trim_end());
        out.push('\n');
    }
    out
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

fn header_ids_for_cython() -> String {
    let mut text =
        String::from("\ncdef extern from \"dialplane.h\":\n    # Header ids, for `id` of a field.\n    enum:\n");
    for number in 0..HeaderId::COUNT - 1 {
        let upper = HeaderId::from_index(number).name().to_ascii_uppercase().replace('-', "_");
        writeln!(text, "        DP_HEADER_{upper}").expect("a string can be written");
    }
    text.push_str("        DP_HEADER_OTHER\n");
    text
}

const CYTHON_HEAD: &str = "\
# The SIP parser of dialplane for Cython. Made by cbindgen from native/capi/src; do not edit. dialplane.h says what the functions do.
#
# An extension takes the table once and calls through it, with the lock or without; nothing here makes a Python object. It is compiled
# with dialplane_native.get_include() among its include_dirs.
#
#     from dialplane_native cimport dp_api, dp_import
#     cdef const dp_api *sip = dp_import()";

const CYTHON_TAIL: &str = "\
cdef extern from \"dialplane_python.h\":
    # The table of the installed dialplane_native. ImportError when it is not one that this extension can work with.
    const dp_api *dp_import() except NULL";

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
