package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5/pgconn"

	"assay/internal/auth"
	"assay/internal/fault"
)

func TestEveryKindOfFaultHasItsStatusAndItsPage(t *testing.T) {
	cases := map[string]struct {
		err   error
		code  int
		fault fault.Kind
		words string
	}{
		"not found":        {fault.NotFound, 404, fault.NotFound, "There is nothing at this address, or not for you."},
		"invalid":          {fault.Say(fault.Invalid, "Row 8 has no label."), 400, fault.Invalid, "Row 8 has no label."},
		"denied":           {fault.Say(fault.Denied, "This needs the role auditor."), 403, fault.Denied, "This needs the role auditor."},
		"conflict":         {fmt.Errorf("submit item 7: %w", fault.Conflict), 409, fault.Conflict, "Somebody was faster: the state has changed since you looked."},
		"unavailable":      {fmt.Errorf("read: %w", fault.Say(fault.Unavailable, "The telemetry store does not answer.")), 503, fault.Unavailable, "The telemetry store does not answer."},
		"too late":         {fmt.Errorf("read: %w", context.DeadlineExceeded), 503, fault.Unavailable, "The answer took too long and was given up. Nothing was changed."},
		"no database":      {fmt.Errorf("check a key: %w", &pgconn.PgError{Code: "57P03", Message: "the database system is starting up"}), 503, fault.Unavailable, "The database does not answer. Try again in a while."},
		"a defect of ours": {errors.New("pgx: column secret_token is NULL"), 500, "", "Something of ours failed. It is in our log under this reference."},
		"a teapot":         {refuse(418, "Short and stout."), 418, fault.Invalid, "Short and stout."},
	}
	now := ""
	w := newWorld(t,
		with(route{"GET", "/fails", anyone(), func(*site, *fiber.Ctx) error { return cases[now].err }}),
		with(route{"GET", "/v1/fails", anyone(), func(*site, *fiber.Ctx) error { return cases[now].err }}))
	b := w.as(auth.Engineer)
	for name, c := range cases {
		now = name
		page := b.get("/fails").want(c.code)
		if got := page.text("main"); !strings.Contains(got, c.words) || strings.Contains(got, "secret_token") {
			t.Errorf("%s: the page says %s", name, got)
		}
		if shown := strings.Contains(page.Body, "Copy reference"); shown != (c.code >= 500) {
			t.Errorf("%s: reference shown is %v", name, shown)
		}
		var p struct {
			Type, Title, Detail, Fault, Reference string
			Status                                int
		}
		document := b.get("/v1/fails").want(c.code).json(&p)
		if document.Header.Get("Content-Type") != "application/problem+json" || p.Status != c.code || p.Detail != c.words || fault.Kind(p.Fault) != c.fault || p.Title == "" || p.Reference == "" {
			t.Errorf("%s: %+v", name, p)
		}
		if (c.code == 503) != (document.Header.Get("Retry-After") != "") {
			t.Errorf("%s: Retry-After %q", name, document.Header.Get("Retry-After"))
		}
	}
}

func TestTheLogHoldsNoValueThatAStorePutIntoItsMessage(t *testing.T) {
	err := fmt.Errorf("read session: %w", &pgconn.PgError{Severity: "ERROR", Code: "22P02", Message: `invalid input syntax for type uuid: "maya@example.com"`})
	if got := loggable(err); strings.Contains(got, "maya") || !strings.Contains(got, "22P02") {
		t.Error(got)
	}
	err = errors.New(`read: Code: 62. DB::Exception: Syntax error near 'maya@example.com'. (SYNTAX_ERROR)`)
	if got := loggable(err); strings.Contains(got, "maya") || !strings.Contains(got, "Code: 62") {
		t.Error(got)
	}
}

func TestFormsRefuseWhatTheyDoNotShow(t *testing.T) {
	w := newWorld(t)
	b := w.as(auth.Engineer)
	for name, form := range map[string]string{
		"a field nobody showed": "theme=dark&time_zone=&roles=admin", "a number that is none": "theme=dark&time_zone=&single_keys=maybe", "bytes that are no text": "theme=%ff&time_zone=", "a NUL": "theme=dark&time_zone=%00",
	} {
		a := b.send("POST", "/settings/security/display", strings.NewReader(formField+"="+b.token()+"&"+form), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
		if a.Status != 400 {
			t.Errorf("%s: want 400, got %d", name, a.Status)
		}
	}
	b.get("/search?q=a&sort=secret").want(400)
	b.get("/search?q=%ff").want(400)
	b.get("/search?q=%00").want(400)
}

func TestFormsAreReadIntoTheirTypes(t *testing.T) {
	type form struct {
		Text  string   `form:"text"`
		Many  []string `form:"many"`
		IDs   []int64  `form:"id"`
		Yes   bool     `form:"yes"`
		Count int      `form:"count"`
		Rate  float64  `form:"rate"`
	}
	var got form
	if err := fill(&got, map[string][]string{"text": {" a b "}, "many": {"x", "y"}, "id": {"1", "2"}, "yes": {"on"}, "count": {"-7"}, "rate": {"0.05"}}, "form"); err != nil {
		t.Fatal(err)
	}
	if got.Text != " a b " || len(got.Many) != 2 || len(got.IDs) != 2 || got.IDs[1] != 2 || !got.Yes || got.Count != -7 || got.Rate != 0.05 {
		t.Errorf("%+v", got)
	}
	for name, values := range map[string]map[string][]string{
		"two of one": {"count": {"1", "2"}}, "NaN": {"rate": {"NaN"}}, "infinite": {"rate": {"Inf"}}, "too large": {"count": {"99999999999999999999"}}, "unknown": {"other": {"1"}}, "too many": {"many": make([]string, 1001)},
	} {
		if err := fill(&form{}, values, "form"); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestACursorComesBackAsItWent(t *testing.T) {
	type place struct {
		At time.Time
		ID int64
	}
	want := place{time.Unix(1_800_000_000, 5).UTC(), 42}
	var got place
	if err := readCursor(cursorOf(want), &got); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if err := readCursor("", &got); err != nil || got != want {
		t.Error("an empty cursor changes nothing")
	}
	for _, broken := range []string{"!", "bm90IGpzb24", cursorOf("a text"), strings.Repeat("A", 4000)} {
		if err := readCursor(broken, &place{}); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v", broken, err)
		}
	}
}
