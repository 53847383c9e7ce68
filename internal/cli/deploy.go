package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/deploy"
	"github.com/headgate/headgate/internal/platform/printable"
)

const deployLong = `Write what a configuration needs on Google Cloud: the database and its settings, topics,
subscriptions, accounts with the least roles, secrets, one service that serves everything
(or one per function), the jobs of Cloud Scheduler, what endpoints name as their source, a
dashboard and alerts. Nothing is called, and nothing is changed. What is left to do by hand is
said on standard error.`

func newDeploy(p *Process) *cobra.Command {
	return group(&cobra.Command{
		Use: "deploy FORM", Short: "Write what a configuration needs on Google Cloud", GroupID: groupServe,
		Long:    deployLong,
		Example: "  $ headgate deploy terraform --config gate.json --out infra\n  $ headgate deploy gcloud --config gate.json > deploy.sh",
	}, "form", newDeployTerraform(p), newDeployGcloud(p))
}

// deployer has the flags that all forms have.
type deployer struct {
	*Process
	file string
	deploy.Options
}

func deployerOf(p *Process, cmd *cobra.Command) *deployer {
	d := &deployer{Process: p}
	fs := cmd.Flags()
	fs.StringVar(&d.file, "config", "", "deploy the configuration in this `FILE`")
	fs.StringVar(&d.Project, "project", "", "deploy to this `PROJECT` (default that of the configuration's first topic)")
	fs.StringVar(&d.Region, "region", deploy.DefaultRegion, "deploy to this `REGION`")
	fs.StringVar(&d.Database, "database", deploy.DefaultDatabase, "keep everything in this Firestore `DATABASE`")
	fs.StringVar(&d.Image, "image", "", "run this `IMAGE`")
	fs.BoolVar(&d.Split, "split", false, "deploy one service per function")
	for _, name := range []string{"config", "project", "database"} { // no place of a store that is opened here
		if err := fs.SetAnnotation(name, ofCommand, []string{}); err != nil {
			panic(err) // the command has no such flag
		}
	}
	return d
}

// plan reads the configuration, and says what a person must know.
func (d *deployer) plan() (p *deploy.Plan, text []byte, err error) {
	if d.file == "" {
		return nil, nil, wrongUsage("--config is required")
	}
	if text, err = os.ReadFile(d.file); err != nil {
		return nil, nil, err
	}
	cfg, err := config.Parse(text, d.settings.CheckSyncs)
	if err != nil {
		return nil, nil, fmt.Errorf("%s is not valid:\n%w", d.file, err)
	}
	if p, err = deploy.New(cfg, d.Options); err != nil {
		return nil, nil, usageError{err}
	}
	for _, note := range p.Notes {
		fmt.Fprintln(d.Stderr, "note: "+printable.Text(strings.TrimSpace(note), ""))
	}
	return p, text, nil
}
