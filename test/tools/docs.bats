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
        "$TRUEFIN" check --help
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
    assert_equal "$(wc -l <known)" 22
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

@test "truefin(1) and README name the variables that the library reads" {
    grep -ohE '(variable|secure_getenv|value_of)\((complaint, )?"TRUEFIN_[A-Z_]+"' "$SOURCE_DIR"/shim/{config,report/setup}.c |
        grep -oE 'TRUEFIN_[A-Z_]+' | sort -u >known
    items Ev "$PAGE" >documented
    assert_equal "$(cat documented)" "$(cat known)"
    grep -oE '^\| `TRUEFIN_[A-Z_]+`' "$SOURCE_DIR/README.md" | grep -oE 'TRUEFIN_[A-Z_]+' | sort -u >documented
    assert_equal "$(cat documented)" "$(cat known)"
    assert_equal "$(wc -l <known)" 10
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
    done < <(find "$SOURCE_DIR"/shim "$SOURCE_DIR"/policy \( -path '*/write/*' -o -path '*/check/*' -o -path '*/peer/*' \) -prune -o \
        \( -name '*.[cS]' -o -path '*/shim/calls.def' \) -print)
}

@test "what the documents link to or name as a file is there" {
    local document name
    cd "$SOURCE_DIR"
    for document in README.md CONTRIBUTING.md docs/*.md; do
        while read -r name; do
            assert [ -e "$(dirname "$document")/$name" ]
        done < <(grep -oE '\]\([^):]+\)' "$document" | tr -d ']()')
    done
    while read -r name; do
        [[ -n $(find shim policy -name "$name") ]] || fail "no file $name"
    done < <(grep -oE '`[a-z_]+\.(c|h|S|def)`' docs/DESIGN.md | tr -d '`')
}
