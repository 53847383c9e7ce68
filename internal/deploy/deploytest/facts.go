package deploytest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Facts say which commands of gcloud there are, and which flags they take.
type Facts struct {
	Source   string
	Wide     []string // the flags that every command takes
	Commands map[string]struct {
		Flags    map[string]string // "bool", or "value"
		Required []string
	}
}

// Root is the directory of the module.
func Root() string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "..", "..", "..")
}

// ReadFacts reads the committed facts.
func ReadFacts() (f Facts, err error) {
	data, err := os.ReadFile(filepath.Join(Root(), "internal/deploy/gcloud/testdata/gcloud.json"))
	if err == nil {
		err = json.Unmarshal(data, &f)
	}
	return f, err
}

// Call is a command of gcloud that was understood.
type Call struct {
	Command   string // without its arguments: "pubsub topics create"
	Arguments []string
	Flags     map[string]string
}

// Parse checks a command by the facts. words are those after gcloud.
func (f Facts) Parse(words []string) (Call, error) {
	c := Call{Flags: map[string]string{}}
	for n := min(5, len(words)); n > 0 && c.Command == ""; n-- {
		if name := strings.Join(words[:n], " "); f.Commands[name].Flags != nil {
			c.Command, words = name, words[n:]
		}
	}
	if c.Command == "" {
		return c, fmt.Errorf("gcloud %s: no such command is among the facts", strings.Join(words, " "))
	}
	known := f.Commands[c.Command]
	for i := 0; i < len(words); i++ {
		word := words[i]
		if !strings.HasPrefix(word, "--") {
			c.Arguments = append(c.Arguments, word)
			continue
		}
		name, value, given := strings.Cut(word, "=")
		kind := known.Flags[name]
		if kind == "" && slices.Contains(f.Wide, name) {
			kind = "value"
			if name == "--quiet" {
				kind = "bool"
			}
		}
		switch {
		case kind == "":
			return c, fmt.Errorf("gcloud %s has no flag %s", c.Command, name)
		case kind == "bool" && given:
			return c, fmt.Errorf("gcloud %s: the flag %s takes no value", c.Command, name)
		case kind == "value" && !given:
			if i++; i == len(words) {
				return c, fmt.Errorf("gcloud %s: the flag %s has no value", c.Command, name)
			}
			value = words[i]
		}
		if old, repeated := c.Flags[name]; repeated {
			value = old + "\n" + value
		}
		c.Flags[name] = value
	}
	for _, name := range known.Required {
		if _, given := c.Flags[name]; !given {
			return c, fmt.Errorf("gcloud %s needs %s", c.Command, name)
		}
	}
	return c, nil
}

// Commands returns the words of each gcloud command in a text of bash, also of those within
// another one. It knows as much of bash as our texts use.
func Commands(text string) (all [][]string) {
	text = strings.ReplaceAll(text, "\\\n", " ")
	for at := range len(text) {
		begins := at == 0 || strings.ContainsRune(" \t\n($|;", rune(text[at-1])) && !strings.HasSuffix(text[:at], "headgate deploy ")
		if begins && strings.HasPrefix(text[at:], "gcloud ") {
			all = append(all, words(text[at+len("gcloud "):]))
		}
	}
	return all
}

// words splits a command, which ends where it ends in bash.
func words(text string) (out []string) {
	var word strings.Builder
	given, quote, depth := false, rune(0), 0
	end := func() {
		if given {
			out = append(out, word.String())
		}
		word.Reset()
		given = false
	}
	for i, c := range text {
		switch {
		case c == '(' && quote != '\'' && i > 0 && (text[i-1] == '$' || depth > 0):
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth > 0:
		case quote != 0 && c == quote:
			quote = 0
			continue
		case quote != 0:
		case c == '\'' || c == '"':
			quote, given = c, true
			continue
		case strings.ContainsRune("\n;|&)#<>", c) && (c != '#' || !given):
			end()
			return out
		case c == ' ' || c == '\t':
			end()
			continue
		}
		given = true
		word.WriteRune(c)
	}
	end()
	return out
}
