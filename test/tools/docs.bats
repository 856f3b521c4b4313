#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154  # backquotes are Markdown's, and run sets output and stderr
# The man pages and the programs say the same, and what documents name is there.

load ../helpers
PAGE=$SOURCE_DIR/docs/man/truefin.1
POLICY_PAGE=$SOURCE_DIR/docs/man/truefin-policy.7

# items MACRO PAGE: what the items of lists in a page begin with, as "-p" or "TRUEFIN_LOG", in order.
items() {
    sed -n 's/^\.It //p' "$2" | awk -v macro="$1" '
        $1 == macro { for (i = 1; i <= NF; i++) if ($i == macro) print $(i + 1) }' | sort -u
}

@test "the man pages are well-formed" {
    local page checked=0
    for page in "$PAGE" "$POLICY_PAGE"; do
        if command -v mandoc >/dev/null; then
            run -0 mandoc -T lint -W warning "$page"
            assert_output ''
        fi
        if command -v groff >/dev/null; then
            run -0 --separate-stderr groff -mandoc -Tutf8 -ww "$page"
            assert_equal "$stderr" ''
            checked=$((checked + 1))
        fi
    done
    ((checked == 2)) || command -v mandoc >/dev/null || skip 'neither mandoc nor groff is installed'
}

@test "truefin(1) and the programs know the same options" {
    # "-4, -6" is one item, "Fl 4 , 6".
    { items Fl "$PAGE" && echo 6; } | sed 's/^/-/' | sort -u >documented
    {
        "$TRUEFIN" --help
        "$TRUEFIN" peer --help
        "$TRUEFIN" stats --help
        "$TRUEFIN" check --help
        "$TRUEFIN" status --help
        "$TRUEFIN" off --help
        "$TRUEFIN" enable --help
        "$TRUEFIN" disable --help
        "$TRUEFIN" policy --nonsense 2>&1 || true
    } | grep -oE '(^|[][ |])--?[a-z0-9][a-z-]*' | grep -oE -- '--?[a-z0-9].*' | sort -u >known
    assert_equal "$(cat documented)" "$(cat known)"
    assert [ "$(wc -l <known)" -gt 20 ]
}

# The words are in policy/words.c, one array for each kind.
@test "truefin-policy(7) and the language have the same words" {
    items Cm "$POLICY_PAGE" >documented
    awk '/^static const struct word (events|endings|terms|presets)\[\]/ { inside = 1 }
        /^};/ { inside = 0 }
        inside' "$SOURCE_DIR/policy/words.c" | grep -oE '\{"[a-z-]+"' | tr -d '{"' | sort -u >known
    assert_equal "$(cat documented)" "$(cat known)"
    assert_equal "$(wc -l <known)" 27
}

@test "truefin-policy(7) says the limits of a policy" {
    local limit name
    for name in RULES:rules TERMS:terms VALUES:ports; do
        limit=$(sed -n "s/^ *POLICY_${name%:*} = \([0-9]*\),.*/\1/p" "$SOURCE_DIR/policy/policy.h")
        run -0 grep -E "\b$limit ${name#*:}" "$POLICY_PAGE"
    done
}

@test "the examples in truefin-policy(7) are policies" {
    sed -n '/^\.Sh EXAMPLES/,/^\.Sh DIAGNOSTICS/p' "$POLICY_PAGE" |
        csplit --quiet --elide-empty-files --prefix example- --suppress-matched - '/^\.Bd/' '{*}'
    local example checked=0
    for example in example-*; do
        grep -q '^\.Ed' "$example" || continue
        sed '/^\.Ed/,$d' "$example" >policy
        run -0 "$TRUEFIN" policy -f policy
        checked=$((checked + 1))
    done
    assert_equal "$checked" 5
}

# rows KIND|KIND...: of policy/settings.def, as "NAME|default|option|meaning".
rows() {
    sed -nE "s/^($1)\\(([A-Z_]+),[^\"]*\"([^\"]*)\", \"([^\"]*)\", \"([^\"]*)\"\\)\$/TRUEFIN_\\2|\\3|\\4|\\5/p" \
        "$SOURCE_DIR/policy/settings.def"
}

@test "truefin(1), REFERENCE and --help name the variables that the library reads" {
    rows 'SOURCE|SETTING|FLAG' | cut -d '|' -f 1 | sort >known
    items Ev "$PAGE" >documented
    assert_equal "$(cat documented)" "$(cat known)"
    grep -oE '^\| `TRUEFIN_[A-Z_]+`' "$SOURCE_DIR/docs/REFERENCE.md" | grep -oE 'TRUEFIN_[A-Z_]+' | sort -u >documented
    assert_equal "$(cat documented)" "$(cat known)"
    "$TRUEFIN" --help | sed -n '/^Environment:/,$p' | grep -oE 'TRUEFIN_[A-Z_]+' | sort >documented
    assert_equal "$(cat documented)" "$(cat known)"
    assert_equal "$(wc -l <known)" 18
}

@test "REFERENCE says of a variable what settings.def says, truefin(1) has its default" {
    local seen=0 name default option meaning
    while IFS='|' read -r name default option meaning; do
        run -0 grep -E "^\\| .$name. \\|" "$SOURCE_DIR/docs/REFERENCE.md"
        assert_equal "$(sed -E 's/^(\|[^|]*){2}\| (.*) \|$/\2/; s/`//g' <<<"$output")" "$meaning"
        run -0 sed -n "/^\\.It Ev $name\$/,/^\\.It/p" "$PAGE"
        [ -z "$default" ] || [[ ${output//$'\n'/ } =~ 'default is .Ql '$default' '|'.Ql '$default' , the default' ]] ||
            fail "$name: $default is not the default in truefin(1)"
        seen=$((seen + 1))
    done < <(rows 'SOURCE|SETTING|FLAG')
    assert_equal "$seen" 18
}

@test "the options that set a variable are in --help, in truefin(1) and in the completion" {
    local seen=0 option
    while IFS='|' read -r _ _ option _; do
        [ -n "$option" ] || continue
        run -0 grep -Fw -e "$option" <("$TRUEFIN" --help)
        run -0 grep -Fw -e "Fl ${option#-}" -e "Fl ${option#-}=" "$PAGE"
        run -0 grep -Fw -e "$option" "$SOURCE_DIR/scripts/completion.bash"
        seen=$((seen + 1))
    done < <(rows 'SOURCE|SETTING')
    assert_equal "$seen" 3
}

@test "no source reads a variable that settings.def does not have" {
    sed -nE 's/^(SOURCE|SETTING|FLAG|INTERNAL)\(([A-Z_]+),.*/TRUEFIN_\2/p' "$SOURCE_DIR/policy/settings.def" | sort >known
    assert_equal "$(wc -l <known)" 22
    find "$SOURCE_DIR/shim" "$SOURCE_DIR/policy" -name '*.c' -exec grep -ohE '"TRUEFIN_[A-Z_]+"' {} + | tr -d '"' | sort -u >names
    [ -s names ]
    assert_equal "$(comm -23 names known)" ''
}

@test "truefin(1) names what peer reports as JSON" {
    local member
    for member in $("$PEER" --json --timeout 1s 127.0.0.1 1 2>/dev/null | grep -oE '"[a-z_]+":' | tr -d '":'); do
        run -0 grep -Ew "$member" "$PAGE"
    done
}

@test "DESIGN names every file of the shim and of the policy" {
    local file
    while read -r file; do
        run -0 grep -F "\`${file##*/}\`" "$SOURCE_DIR/docs/DESIGN.md"
    done < <(find "$SOURCE_DIR"/shim "$SOURCE_DIR"/policy \( -path '*/io/*' -o -path '*/check/*' -o -path '*/peer/*' -o -path '*/operate/*' -o -path '*/stats/*' \) -prune -o \
        \( -name '*.[cS]' -o -path '*/shim/calls.def' \) -print)
}

# anchors DOCUMENT: what a link into it may end in: its headings, as GitHub names them.
anchors() {
    sed -nE '/^```/,/^```/!s/^##* (.*)/\1/p' "$1" | tr '[:upper:]' '[:lower:]' | sed -E 's/[^a-z0-9 _-]//g; s/ /-/g'
}

@test "what the documents link to or name as a file is there" {
    local document name target checked=0
    cd "$SOURCE_DIR"
    for document in README.md CONTRIBUTING.md docs/*.md; do
        while read -r name; do
            target=$(dirname "$document")/${name%%#*}
            [[ $name != '#'* ]] || target=$document
            [[ -e $target ]] || fail "$document: no file $name"
            if [[ $name == *'#'* ]]; then
                anchors "$target" | grep -Fxq -- "${name#*#}" || fail "$document: no heading $name"
                checked=$((checked + 1))
            fi
        done < <(grep -oE '\]\([^):]+\)' "$document" | tr -d ']()')
    done
    ((checked > 0))
    while read -r name; do
        [[ -n $(find shim policy -name "$name") ]] || fail "no file $name"
    done < <(grep -oE '`[a-z_]+\.(c|h|S|def)`' docs/DESIGN.md | tr -d '`')
}

@test "the pictures are as the tables are that they are made of, and have colours for dark pages" {
    local picture
    run -0 "$SOURCE_DIR/scripts/pictures" --check
    assert_output ''
    for picture in "$SOURCE_DIR"/docs/*.svg "$SOURCE_DIR"/docs/pictures/*.svg; do
        run -0 grep -F 'prefers-color-scheme' "$picture"
    done
    sed 's/| truefin | 1\.0/| truefin | 1.1/' "$SOURCE_DIR/docs/PERFORMANCE.md" >PERFORMANCE.md
    mkdir -p other/docs other/scripts && cp "$SOURCE_DIR/scripts/pictures" other/scripts
    cp -R "$SOURCE_DIR/docs/performance.svg" PERFORMANCE.md other/docs
    run -1 other/scripts/pictures --check performance
    assert_output --partial 'not as their data are: performance'
}

# limits_in_page: the names in section BUGS of truefin(1), one a line; "!" behind those that can make a false RST.
limits_in_page() {
    awk '/^\.Sh/ { inside = $2 == "BUGS" }
        inside && /^\.It Sy / { name = $3; getline; print name ($0 ~ /^False RST: / ? "!" : "") }' "$PAGE"
}

# limits_in_list: the same of docs/LIMITS.md.
limits_in_list() {
    awk '/^### / { if (name) print name false_rst; name = $2; false_rst = "" }
        /^\*\*False RST\.\*\*$/ { false_rst = "!" }
        END { print name false_rst }' "$SOURCE_DIR/docs/LIMITS.md"
}

@test "LIMITS and truefin(1) have the same limits, in the same order, and count them" {
    limits_in_list >listed
    assert_equal "$(limits_in_page)" "$(<listed)"
    assert_equal "$(sort listed | uniq -d)" ''
    run -0 grep -c "^These are the $(wc -l <listed) limits that are known\.$" "$PAGE"
    ((output == 1 && $(grep -c '!' listed) > 3))
}

@test "LIMITS tells of each limit what happens, how likely, and what to do" {
    local limit
    awk '/^### / { name = $2; print name, "limit" }
        match($0, /^- \*(What happens|How likely|What to do):\* ./) { print name, substr($0, 4, RLENGTH - 7) }' \
        "$SOURCE_DIR/docs/LIMITS.md" >parts
    while read -r limit _; do
        run -0 grep "^$limit " parts
        assert_equal "$output" "$(printf '%s\n' "$limit limit" "$limit What happens" "$limit How likely" "$limit What to do")"
    done < <(grep ' limit$' parts)
    assert_equal "$(wc -l <parts)" "$((4 * $(limits_in_list | wc -l)))"
}
