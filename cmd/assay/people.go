package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"assay/internal/auth"
	"assay/internal/auth/keys"
	"assay/internal/auth/people"
	"assay/internal/fault"
	"assay/telemetry"
)

var userAddCommand = command{
	name: "user add", usage: "EMAIL --name NAME --role ROLE[,ROLE]", summary: "add a person, or reset how one signs in",
	detail: `Prints a one-time link. For an address that is there already it forgets the password and
the second factor and prints a new link. Roles: labeler, reviewer, engineer, release_manager,
auditor, admin; nobody holds two of engineer, release_manager and auditor.`,
	run: runUserAdd,
}

func runUserAdd(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("user add", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	name := flags.String("name", "", "")
	roles := flags.String("role", "", "")
	email, rest := firstArgument(args)
	if err := flags.Parse(rest); err != nil {
		return usageError(err.Error())
	}
	if email = cmp.Or(email, flags.Arg(0)); email == "" {
		return usageError("an e-mail address is missing")
	}
	register, end, err := openRegister(ctx)
	if err != nil {
		return err
	}
	defer end()
	actor := auth.Product()
	person, err := register.Find(ctx, actor, email)
	switch {
	case fault.Of(err) == fault.NotFound:
		n := people.New{Email: email, Name: cmp.Or(*name, email)}
		for role := range strings.SplitSeq(*roles, ",") {
			if role = strings.TrimSpace(role); role != "" {
				n.Roles = append(n.Roles, auth.Role(role))
			}
		}
		if person, err = register.Add(ctx, actor, n); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	secret, expires, err := register.Reset(ctx, actor, person.ID)
	if err != nil {
		return err
	}
	fmt.Printf("%s, %s\nsign in once before %s:\n%s/login/link/%s\n", person.Name, person.Email,
		expires.UTC().Format("2006-01-02 15:04 MST"), publicAddress(), secret)
	return nil
}

var userListCommand = command{
	name: "user list", summary: "list people and their roles",
	run: func(ctx context.Context, _ []string) error {
		register, end, err := openRegister(ctx)
		if err != nil {
			return err
		}
		defer end()
		list, err := register.List(ctx, auth.Product())
		if err != nil {
			return err
		}
		for _, p := range list {
			var roles []string
			for _, r := range p.Roles {
				roles = append(roles, string(r))
			}
			state := "active"
			if p.DisabledAt != nil {
				state = "disabled"
			}
			fmt.Printf("%-32s %-24s %-9s %s\n", p.Email, p.Name, state, strings.Join(roles, ","))
		}
		return nil
	},
}

var userDisableCommand = command{
	name: "user disable", usage: "EMAIL", summary: "shut a person out, at their next request",
	run: func(ctx context.Context, args []string) error {
		if len(args) != 1 {
			return usageError("name one e-mail address")
		}
		register, end, err := openRegister(ctx)
		if err != nil {
			return err
		}
		defer end()
		person, err := register.Find(ctx, auth.Product(), args[0])
		if err != nil {
			return err
		}
		return register.Disable(ctx, auth.Product(), person.ID)
	},
}

// openRegister needs no secret of the product: nothing it does here opens a
// sealed second factor.
func openRegister(ctx context.Context) (*people.Register, func(), error) {
	pool, err := database(ctx)
	if err != nil {
		return nil, nil, err
	}
	unused := make([]byte, 32)
	rand.Read(unused)
	return &people.Register{DB: pool, Secret: unused}, pool.Close, nil
}

func publicAddress() string {
	if address := env("ASSAY_PUBLIC_URL"); address != "" {
		return strings.TrimSuffix(address, "/")
	}
	if r, err := readRuntime(); err == nil {
		return r.Address
	}
	return "http://" + env("ASSAY_ADDR")
}

var keyCreateCommand = command{
	name: "key create", usage: "NAME --scope SCOPE[,SCOPE] [--days 90] [--consent redacted] [--keep 0.01]", summary: "make an API key",
	detail: `Prints the key, once. Scopes: ingest, read, label, labeler, validate, handoff, check.
An ingest key names what stands for events that carry no consent of their own: none, aggregate
(the default: counted, no text), redacted or full; and the share of sessions whose text is kept.`,
	run: runKeyCreate,
}

func runKeyCreate(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("key create", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	scopes := flags.String("scope", "", "")
	days := flags.Int("days", 90, "")
	consent := flags.String("consent", "", "")
	keep := flags.Float64("keep", -1, "")
	name, rest := firstArgument(args)
	if err := flags.Parse(rest); err != nil {
		return usageError(err.Error())
	}
	if name = cmp.Or(name, flags.Arg(0)); name == "" || *scopes == "" {
		return usageError("a name and --scope are needed")
	}
	pool, err := database(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	n := keys.New{Name: name, Lasts: time.Duration(*days) * 24 * time.Hour}
	for scope := range strings.SplitSeq(*scopes, ",") {
		n.Scopes = append(n.Scopes, auth.Scope(strings.TrimSpace(scope)))
	}
	ring := &keys.Ring{DB: pool}
	key, text, err := ring.Create(ctx, auth.Product(), n)
	if err != nil {
		return err
	}
	if *consent != "" || *keep >= 0 {
		terms := telemetry.StrictTerms
		terms.Consent = telemetry.Consent(cmp.Or(*consent, string(terms.Consent)))
		if terms.Consent == telemetry.ConsentRedacted || terms.Consent == telemetry.ConsentFull {
			terms.Capture = telemetry.CaptureRedacted
		}
		if *keep >= 0 {
			terms.Keep = *keep
			terms.KeepFlagged = max(*keep, terms.KeepFlagged)
		}
		if err := (&telemetry.Store{DB: pool}).SetTerms(ctx, auth.Product(), key.ID, terms); err != nil {
			return err
		}
	}
	fmt.Println(text)
	return nil
}

var keyRevokeCommand = command{
	name: "key revoke", usage: "KEY", summary: "refuse a key from its next request on",
	run: func(ctx context.Context, args []string) error {
		if len(args) != 1 {
			return usageError("name one key, wb_…")
		}
		pool, err := database(ctx)
		if err != nil {
			return err
		}
		defer pool.Close()
		id, _, _ := strings.Cut(strings.TrimPrefix(args[0], "wb_"), "_")
		return (&keys.Ring{DB: pool}).Revoke(ctx, auth.Product(), id)
	},
}

// firstArgument lets the name stand before the options, where people put it.
func firstArgument(args []string) (string, []string) {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		return args[0], args[1:]
	}
	return "", args
}

// keysDirectory is where this installation keeps its keys.
func keysDirectory() string {
	return cmp.Or(env("ASSAY_KEYS"), filepath.Join(env("ASSAY_DATA"), "keys"))
}
