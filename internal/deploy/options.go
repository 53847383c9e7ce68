package deploy

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/headgate/headgate/config"
)

// Options complete a configuration for its deployment.
type Options struct {
	Project  string // "": that of the configuration's first topic
	Region   string
	Database string // of Firestore
	Image    string // that the services run; "": built from Source
	Source   string // a directory with the Dockerfile
	Split    bool   // one service per function
}

// Defaults of the options.
const (
	DefaultRegion   = "us-central1"
	DefaultDatabase = "headgate"
)

var (
	projectForm  = regexp.MustCompile(`^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$`)
	regionForm   = regexp.MustCompile(`^[a-z]+-[a-z]+[0-9]+$`)
	databaseForm = regexp.MustCompile(`^(\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9])$`)
	imageForm    = regexp.MustCompile(`^[a-z0-9][a-zA-Z0-9._:/@-]*$`)
)

// fill sets what was omitted and has a default.
func (o *Options) fill(cfg *config.Config) {
	o.Region, o.Database = cmp.Or(o.Region, DefaultRegion), cmp.Or(o.Database, DefaultDatabase)
	for _, s := range cfg.Services {
		for _, t := range s.Topics() {
			o.Project = cmp.Or(o.Project, topic(t).Project)
		}
	}
}

// check lists what is not valid.
func (o *Options) check() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch {
	case o.Project == "":
		wrong("--project is required: the configuration has no topic whose project could be meant")
	case !projectForm.MatchString(o.Project):
		wrong("--project %q: must be a project's id: 6 to 30 small letters, digits and dashes", o.Project)
	}
	if !regionForm.MatchString(o.Region) {
		wrong("--region %q: must be a region, such as europe-west3", o.Region)
	}
	if !databaseForm.MatchString(o.Database) {
		wrong("--database %q: must be (default), or 4 to 63 small letters, digits and dashes", o.Database)
	}
	if o.Image != "" && !imageForm.MatchString(o.Image) {
		wrong("--image %q: must be the name of an image, such as europe-west3-docker.pkg.dev/my-project/headgate/headgate:1", o.Image)
	}
	if o.Image != "" && o.Source != "" {
		wrong("--image and --source exclude each other: --source builds an image")
	}
	return errors.Join(errs...)
}

// topic splits projects/P/topics/T.
func topic(full string) Resource {
	project, name, _ := strings.Cut(strings.TrimPrefix(full, "projects/"), "/topics/")
	return Resource{Project: project, Name: name}
}
