// Package terraform writes a plan as a Terraform module in JSON (a file *.tf.json), which
// OpenTofu reads as well. The module's directory also has config.json, the configuration.
//
// Invariants:
//
//   - The text is a function of the plan, and its order is fixed.
//   - A resource refers to what it needs, so that Terraform makes them in the right order.
//   - Texts of the configuration are literal: their ${ and %{ are escaped.
//   - No secret gets into the state: secrets are written by write-only arguments.
package terraform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/headgate/headgate/internal/deploy"
)

// object is a block or a map.
type object = map[string]any

// module collects what the file has.
type module struct {
	*deploy.Plan
	labels          map[string]string // "kind key": the label, and "kind.label": whose it is
	resources, data map[string]object
	variables       object
	outputs         object
}

// Write returns the module as the text of its one file.
func Write(p *deploy.Plan) []byte {
	m := &module{Plan: p, labels: map[string]string{}, resources: map[string]object{}, data: map[string]object{}, variables: object{}, outputs: object{}}
	m.apis()
	m.accounts()
	m.database()
	m.topics()
	m.secrets()
	m.queues()
	m.grants()
	m.services()
	m.jobs()
	m.triggers()
	m.observe()
	if len(p.Notes) > 0 {
		m.outputs["notes"] = object{"description": "What to know and to do.", "value": literals(p.Notes)}
	}
	file := object{
		"//": "Written by: headgate deploy terraform. The directory needs config.json, the configuration.",
		"terraform": object{
			"required_version":   ">= 1.11", // write-only arguments
			"required_providers": object{"google": object{"source": "hashicorp/google", "version": ">= 7.0"}},
		},
		"provider": object{"google": object{"project": p.Project, "region": p.Region}},
		"variable": m.variables,
		"resource": m.resources,
		"output":   m.outputs,
	}
	if len(m.data) > 0 {
		file["data"] = m.data
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(file); err != nil {
		panic(err) // maps of texts, numbers and booleans always encode
	}
	return out.Bytes()
}

// add adds a resource, and returns its address.
func (m *module) add(kind, name string, arguments object) string {
	return m.addAs(kind, name, name, arguments)
}

// addAs adds a resource whose name does not tell it from all others of its kind, as key does.
func (m *module) addAs(kind, key, name string, arguments object) string {
	address := m.address(kind, key, name)
	if m.resources[kind] == nil {
		m.resources[kind] = object{}
	}
	m.resources[kind][strings.TrimPrefix(address, kind+".")] = arguments
	return address
}

// address returns the address of a resource. Names that differ only in what a label cannot
// have (a.b and a_b, both of which Pub/Sub takes) get labels that differ, or a subscription
// would be made of the other one's topic.
func (m *module) address(kind, key, name string) string {
	given := kind + " " + key
	if m.labels[given] == "" {
		next := label(name)
		for n := 2; m.labels[kind+"."+next] != ""; n++ {
			next = fmt.Sprintf("%s_%d", label(name), n)
		}
		m.labels[given], m.labels[kind+"."+next] = next, given
	}
	return kind + "." + m.labels[given]
}

// label returns the text as the name of a resource.
func label(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < 128 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-') {
			return r
		}
		return '_'
	}, text)
	if text == "" || text[0] >= '0' && text[0] <= '9' || text[0] == '-' {
		text = "_" + text
	}
	return text
}

// ref returns the value of an attribute of a resource.
func (m *module) ref(kind, name, attribute string) string {
	return "${" + m.address(kind, name, name) + "." + attribute + "}"
}

// literal escapes what Terraform would evaluate.
func literal(text string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(text)
}

func literals(texts []string) (out []string) {
	for _, t := range texts {
		out = append(out, literal(t))
	}
	return out
}

// needs returns what a resource waits for: the APIs that it belongs to.
func needs(apis ...string) (addresses []string) {
	for _, a := range apis {
		addresses = append(addresses, "google_project_service."+label(a))
	}
	return addresses
}

// short returns the first part of an API's name, by which its resource is called.
func short(api string) string {
	name, _, _ := strings.Cut(api, ".")
	return name
}

func (m *module) apis() {
	for _, api := range m.APIs {
		m.add("google_project_service", short(api), object{"service": api, "disable_on_destroy": false})
	}
}
