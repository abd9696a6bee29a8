# Writes the table of values of a chart's README.md anew, from the `# --` comments of its values.yaml:
#   awk -f readme.awk values.yaml README.md > README.new && mv README.new README.md
# A comment ends with `Default: ...` where the effective default is not the value that stands there.

function row(path, value, text,    at, standard) {
    at = index(text, "Default: ")
    if (at) {
        standard = substr(text, at + 9)
        text = substr(text, 1, at - 1)
    } else {
        standard = value == "" ? "" : "`" value "`"
    }
    sub(/ +$/, "", text)
    gsub(/\|/, "\\|", text)
    rows = rows "| `" path "` | " standard " | " text " |\n"
}

FNR == NR {
    if ($0 ~ /^ *# -- /) {
        doc = $0
        sub(/^ *# -- /, "", doc)
        next
    }
    if (match($0, /^ *[A-Za-z0-9_-]+:/)) {
        match($0, /^ */)
        depth = RLENGTH / 2
        rest = substr($0, RLENGTH + 1)
        key[depth] = substr(rest, 1, index(rest, ":") - 1)
        value = substr(rest, index(rest, ":") + 1)
        sub(/^ +/, "", value)
        if (doc != "") {
            path = key[0]
            for (i = 1; i <= depth; i++) path = path "." key[i]
            if (value == "{enable: null}") path = path ".enable"
            row(path, value, doc)
        }
        doc = ""
    }
    next
}

/^<!-- values: begin/ { print; print "\n| value | default | what it does |\n|---|---|---|"; printf "%s\n", rows; skip = 1 }
/^<!-- values: end/ { skip = 0 }
!skip { print }
