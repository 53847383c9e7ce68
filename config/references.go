package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/decode"
)

// Reference is a place of the configuration that refers to a credential.
type Reference struct {
	Path string // such as $.hooks[0].verify.secrets[0]
	Ref  string // env:NAME or sm://projects/P/secrets/S
}

// EnvName returns the name of the environment variable that holds the credential; "" if it
// is elsewhere.
func (r Reference) EnvName() string {
	if name, ok := strings.CutPrefix(r.Ref, "env:"); ok {
		return name
	}
	return ""
}

// References returns the places that refer to credentials, in the order of the document. In
// declared syncs they may be anywhere.
func (c *Config) References() (found []Reference) {
	if c.flat && len(c.Services) == 1 {
		references("$", reflect.ValueOf(c.Services[0]), decode.Rules{}, &found)
	} else {
		references("$.services", reflect.ValueOf(c.Services), decode.Rules{}, &found)
	}
	references("$", reflect.ValueOf(c.Deployment), decode.Rules{}, &found)
	return found
}

// references adds those of a value, whose field has the rules.
func references(path string, v reflect.Value, r decode.Rules, found *[]Reference) {
	if raw, ok := v.Interface().(json.RawMessage); ok {
		inJSON(path, raw, found)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			references(path, v.Elem(), r, found)
		}
	case reflect.Struct:
		for _, f := range decode.FieldsOf(v.Type()) {
			references(decode.Member(path, f.Name), v.FieldByIndex(f.Index), f.Rules, found)
		}
	case reflect.Slice:
		for i := range v.Len() {
			references(decode.Index(path, i), v.Index(i), r, found)
		}
	case reflect.String:
		if (r.Secret || r.Format == "reference") && credential.IsReference(v.String()) {
			*found = append(*found, Reference{path, v.String()})
		}
	}
}

// inJSON adds those of a document whose form this package does not know.
func inJSON(path string, raw json.RawMessage, found *[]Reference) {
	var tree any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&tree) == nil {
		inTree(path, tree, found)
	}
}

func inTree(path string, tree any, found *[]Reference) {
	switch v := tree.(type) {
	case string:
		if credential.IsReference(v) {
			*found = append(*found, Reference{path, v})
		}
	case []any:
		for i, one := range v {
			inTree(decode.Index(path, i), one, found)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			inTree(decode.Member(path, name), v[name], found)
		}
	}
}

// Unset returns a sentence for each environment variable that the configuration refers to,
// and that is not set. It names the places, and shows no value.
func (c *Config) Unset(getenv func(string) string) (sentences []string) {
	places := make(map[string][]string)
	var names []string
	for _, r := range c.References() {
		name := r.EnvName()
		if name == "" || getenv(name) != "" {
			continue
		}
		if places[name] == nil {
			names = append(names, name)
		}
		places[name] = append(places[name], r.Path)
	}
	for _, name := range names {
		refers := "refers"
		if len(places[name]) > 1 {
			refers = "refer"
		}
		sentences = append(sentences, fmt.Sprintf("the environment variable %s, which %s to, is not set here", name, strings.Join(places[name], " and ")+" "+refers))
	}
	return sentences
}
