package cli

import (
	"fmt"
	"slices"
	"strings"
)

// script is a script under construction.
type script struct{ strings.Builder }

func (b *script) line(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }

// single quotes a text for bash and zsh.
func single(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// patterns joins texts to the pattern of a case.
func patterns(all []string) string {
	quoted := make([]string, len(all))
	for i, p := range all {
		quoted[i] = single(p)
	}
	return strings.Join(quoted, " | ")
}

// walk writes the loop that finds the command on the line. It is the same in
// bash and zsh but for how the words are counted.
func (b *script) walk(top *word, loop, current string) {
	var paths []string
	for _, w := range top.all()[1:] {
		paths = append(paths, w.path)
	}
	b.line("    at=beltline")
	b.line("    %s; do", loop)
	b.line("        case \"$at %s\" in", current)
	b.line("        %s) at=\"$at %s\" ;;", patterns(paths), current)
	b.line("        esac")
	b.line("    done")
}

// flagWords are the flags as they are typed.
func (w *word) flagWords() (all []string) {
	for _, f := range w.flags {
		all = append(all, "--"+f.name)
		if f.short != "" {
			all = append(all, "-"+f.short)
		}
	}
	return all
}

// nextWords are the words that may follow a command: commands below it, or its
// argument where all of them are known.
func (w *word) nextWords() (all []string) {
	for _, below := range w.below {
		all = append(all, below.name)
	}
	return append(all, w.values...)
}

func bashScript(top *word) string {
	b := new(script)
	b.line("# bash completion for beltline, made by `beltline completion bash`")
	b.line("_beltline() {")
	b.line("    local cur prev at i found words= flags= files=")
	b.line("    COMPREPLY=()")
	b.line("    cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}")
	b.line("    # bash takes --flag=value for three words")
	b.line("    if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi")
	b.walk(top, "for ((i = 1; i < COMP_CWORD; i++))", "${COMP_WORDS[i]}")
	b.line("    case $at in")
	for _, w := range top.all() {
		files := ""
		if w.files {
			files = " files=1"
		}
		b.line("    %s) words=%s flags=%s%s ;;", single(w.path), single(strings.Join(w.nextWords(), " ")), single(strings.Join(w.flagWords(), " ")), files)
	}
	b.line("    esac")
	b.line("    if [[ $cur == -* ]]; then words=$flags files=; elif [[ -z $words && -z $files ]]; then words=$flags; fi")
	a := answersOf(top)
	b.line("    case \"$at:$prev\" in")
	for _, values := range a.sorted() {
		b.line("    %s) words=%s files= ;;", patterns(a.values[values]), single(values))
	}
	if len(a.files) > 0 {
		b.line("    %s) words= files=1 ;;", patterns(a.files))
	}
	if len(a.free) > 0 {
		b.line("    %s) return ;;", patterns(a.free))
	}
	b.line("    esac")
	b.line("    if [[ -n $files ]]; then compopt -o filenames 2>/dev/null; fi")
	b.line("    while IFS= read -r found; do")
	b.line("        COMPREPLY+=(\"$found\")")
	b.line("    done < <(compgen ${files:+-f} -W \"$words\" -- \"$cur\")")
	b.line("}")
	b.line("complete -F _beltline beltline")
	return b.String()
}

func zshScript(top *word) string {
	b := new(script)
	b.line("#compdef beltline")
	b.line("# zsh completion for beltline, made by `beltline completion zsh`")
	b.line("_beltline() {")
	b.line("    local cur prev at i files")
	b.line("    local -a next flags")
	b.line("    cur=${words[CURRENT]} prev=${words[CURRENT-1]}")
	b.line("    if [[ $cur == --*=* ]]; then prev=${cur%%%%=*}; compset -P '*='; cur=${PREFIX}; fi")
	b.walk(top, "for ((i = 2; i < CURRENT; i++))", "${words[i]}")
	a := answersOf(top)
	b.line("    case \"$at:$prev\" in")
	for _, values := range a.sorted() {
		b.line("    %s) compadd -- %s; return ;;", patterns(a.values[values]), values)
	}
	if len(a.files) > 0 {
		b.line("    %s) _files; return ;;", patterns(a.files))
	}
	if len(a.free) > 0 {
		b.line("    %s) return ;;", patterns(a.free))
	}
	b.line("    esac")
	b.line("    case $at in")
	for _, w := range top.all() {
		b.line("    %s)", single(w.path))
		var next, flags []string
		for _, below := range w.below {
			next = append(next, single(described(below.name, below.help)))
		}
		next = append(next, w.values...)
		for _, f := range w.flags {
			flags = append(flags, single(described("--"+f.name, f.help)))
			if f.short != "" {
				flags = append(flags, single(described("-"+f.short, f.help)))
			}
		}
		files := ""
		if w.files {
			files = " files=1"
		}
		b.line("        next=(%s) flags=(%s)%s ;;", strings.Join(next, " "), strings.Join(flags, " "), files)
	}
	b.line("    esac")
	b.line("    if [[ $cur != -* ]]; then")
	b.line("        if [[ -n $files ]]; then _files; return; fi")
	b.line("        if ((${#next})); then _describe command next; return; fi")
	b.line("    fi")
	b.line("    _describe flag flags")
	b.line("}")
	b.line("if [[ ${funcstack[1]} == _beltline ]]; then _beltline \"$@\"; else compdef _beltline beltline; fi")
	return b.String()
}

// described joins a word and its help as zsh wants them: by a colon, of which
// the first one counts.
func described(name, help string) string { return name + ":" + brief(help) }

// brief is the first sentence of a help, which is what fits beside a word.
func brief(help string) string {
	first, _, _ := strings.Cut(strings.ReplaceAll(help, "\n", " "), ". ")
	return strings.TrimSuffix(first, ".")
}

// fishQuoted quotes a text for fish, whose single quotes know a backslash.
func fishQuoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

func fishScript(top *word) string {
	b := new(script)
	b.line("# fish completion for beltline, made by `beltline completion fish`")
	b.line("function __beltline_at --description 'whether this is the command on the line'")
	b.line("    set -l at beltline")
	b.line("    set -l said (commandline -opc)")
	b.line("    for one in $said[2..-1]")
	b.line("        switch \"$at $one\"")
	var paths []string
	for _, w := range top.all()[1:] {
		paths = append(paths, fishQuoted(w.path))
	}
	b.line("            case %s", strings.Join(paths, " "))
	b.line("                set at \"$at $one\"")
	b.line("        end")
	b.line("    end")
	b.line("    test \"$at\" = \"$argv[1]\"")
	b.line("end")
	b.line("complete -c beltline -f")
	for _, w := range top.all() {
		when := "complete -c beltline -n " + fishQuoted("__beltline_at "+fishQuoted(w.path))
		for _, below := range w.below {
			b.line("%s -a %s -d %s", when, fishQuoted(below.name), fishQuoted(brief(below.help)))
		}
		if len(w.values) > 0 {
			b.line("%s -a %s", when, fishQuoted(strings.Join(w.values, " ")))
		}
		if w.files {
			b.line("%s -F", when)
		}
		for _, f := range w.flags {
			b.line("%s%s -d %s", when, f.fish(), fishQuoted(brief(f.help)))
		}
	}
	return b.String()
}

// fish is the flag as fish wants it.
func (f wordFlag) fish() string {
	text := " -l " + f.name
	if f.short != "" {
		text += " -s " + f.short
	}
	switch {
	case len(f.values) > 0:
		return text + " -x -a " + fishQuoted(strings.Join(slices.Clone(f.values), " "))
	case f.files:
		return text + " -r -F"
	case f.takes:
		return text + " -x"
	default:
		return text
	}
}
