package config

import (
	"time"

	"github.com/headgate/headgate/internal/platform/decode"
)

// Audit is the record of what people did: docs/logs.md.
type Audit struct {
	// How many days an entry is kept. It names a person.
	RetentionDays int `json:"retentionDays" default:"400" range:"1..3650"`
}

// AuditKept returns how long the entries of the audit are kept.
func (c *Config) AuditKept() time.Duration {
	a := new(Audit)
	if c.Audit != nil {
		*a = *c.Audit
	}
	new(decode.Faults).Fill(a)
	return time.Duration(a.RetentionDays) * 24 * time.Hour
}
