// Package template fills a message into the JSON that a target's API expects. A template is
// any JSON value; {name} in one of its texts stands for a part of the message. The value is
// inserted before the JSON is encoded, so no value can change the form of the body. It is
// pure.
package template

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/credential"
)

// Names are the placeholders. message is the message and cloudEvent the whole CloudEvent,
// both as JSON. The others are attributes of the message, empty where it has none.
var Names = []string{
	"message", "messageBase64", "cloudEvent", "cloudEventBase64",
	"eventID", "claimID", "serviceName", "triggerType", "correlationKey", "completion",
}

var placeholder = regexp.MustCompile(`\{[A-Za-z][A-Za-z0-9]*\}`)

// Check returns what is wrong with a template, a decoded JSON value, or "".
func Check(template any) string {
	wrong := ""
	walk(template, func(text string) string {
		for _, p := range placeholder.FindAllString(text, -1) {
			if name := p[1 : len(p)-1]; wrong == "" && !slices.Contains(Names, name) {
				wrong = fmt.Sprintf("there is no {%s}: the names are %s", name, strings.Join(Names, ", "))
			}
		}
		return text
	})
	return wrong
}

// filled matches texts that are placeholders only.
var filled = regexp.MustCompile(`^(` + placeholder.String() + `)+$`)

// Shown returns a copy of the template without credentials: the values of members that are
// named like one, and those inside of URLs and texts.
func Shown(template any) any { return shown(template, false) }

func shown(value any, secret bool) any {
	switch v := value.(type) {
	case []any:
		out := make([]any, len(v))
		for i, one := range v {
			out[i] = shown(one, secret)
		}
		return out
	case map[string]any:
		name, _ := v["name"].(string) // {"name": "API_KEY", "value": …} is a variable of a job, or a header
		out := make(map[string]any, len(v))
		for member, one := range v {
			out[member] = shown(one, secret || credential.Named(member) || member == "value" && credential.Named(name))
		}
		return out
	case string:
		switch {
		case v == "" || filled.MatchString(v):
			return v
		case secret:
			return credential.Redacted
		}
		return credential.RedactText(v)
	default:
		return v
	}
}

// Render returns the template as JSON, with the values in the place of their names.
func Render(template any, value func(name string) string) ([]byte, error) {
	whole := walk(template, func(text string) string {
		return placeholder.ReplaceAllStringFunc(text, func(p string) string { return value(p[1 : len(p)-1]) })
	})
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(whole); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// walk returns a copy of the value in which change has replaced every text. The names of
// members stay as they are.
func walk(value any, change func(string) string) any {
	switch v := value.(type) {
	case string:
		return change(v)
	case []any:
		out := make([]any, len(v))
		for i, one := range v {
			out[i] = walk(one, change)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, one := range v {
			out[name] = walk(one, change)
		}
		return out
	default:
		return v
	}
}
