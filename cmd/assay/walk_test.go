package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"assay/internal/embedded"
	"assay/static"
	"assay/static/sample"
	"assay/validators"
)

func TestMain(m *testing.M) {
	validators.Main() // this binary is also a child of the sandbox
	embedded.Main()   // and the engine process
	if len(os.Args) > 1 && slices.Contains([]string{"up", "serve", "work"}, os.Args[1]) {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) // and the program, where a test kills it
	}
	os.Exit(m.Run())
}

// TestWalk carries one session from its first event to a promoted fix, on the
// real engines, over HTTP, and in a real browser where a person acts. Read it
// from top to bottom: it is the tour of the product.
func TestWalk(t *testing.T) {
	w := startWalk(t)

	// An assistant answers with a formula that is wrong; the user says so.
	w.say("An assistant's events arrive and are durable when they are acknowledged.")
	answered := time.Now().Add(-time.Minute).UTC()
	events := fmt.Sprintf(wrongFormula, answered.Format(time.RFC3339), answered.Add(30*time.Second).Format(time.RFC3339))
	w.post("/v1/events", events, http.StatusAccepted, `"accepted":2,"duplicate":0`)
	w.post("/v1/events", events, http.StatusAccepted, `"accepted":0,"duplicate":2`)

	w.say("The answer is flagged: negative feedback puts it at the head of its queue.")
	w.until("the response is in a queue", func() bool {
		return strings.Contains(w.get("/v1/items?session_id=s_walk"), `"negative_feedback"`)
	})

	w.say("A labeler starts. One key says hallucinated, one submits.")
	w.become("labeler")
	w.press("Start")
	w.practise()
	w.press("Start")
	w.see("Rank row 4")
	w.keys("3")
	w.until("the label is chosen", func() bool {
		return js[bool](w, `document.querySelector('input[name=label]:checked')?.value === 'hallucinated'`)
	})
	w.keys("\r")

	w.say("A rate moves, and says how sure it is.")
	w.until("the rate has its label", func() bool {
		var rates struct {
			Rows []struct {
				Numerator, Denominator int
				Low, High              float64
			}
		}
		w.json("/v1/rates?by=task_class&task_class=spreadsheet_formula", &rates)
		return len(rates.Rows) == 1 && rates.Rows[0].Numerator == 1 && rates.Rows[0].Denominator == 1 && rates.Rows[0].High == 1
	})

	w.say("Six requests pass a serving gate; two of them serve a claim that nothing supports. That pages, and opens one incident.")
	w.post("/v1/events", sixTraces, http.StatusAccepted, `"accepted":6`)
	w.until("the incident is open", func() bool { return strings.Contains(w.get("/v1/incidents"), `"req_205"`) })
	card := w.get("/v1/incidents/1")
	for _, fact := range []string{"PAGE unsafe_claim_served=2/6", "tracking-answerer-v1.1-regression", "serving_gate", "Compare serving-gate template with tracking-answerer-v1."} {
		if !strings.Contains(card, fact) {
			t.Errorf("the card does not say %q: %s", fact, card)
		}
	}

	w.say("An engineer opens a handoff from the incident, in one press. From now on a pipeline that asks is told no, and why.")
	w.become("engineer")
	w.visit("/incidents/1")
	w.fill("candidate", sample.CandidateTemplate)
	w.press("Open a handoff")
	w.see("Blocked: regression 0 of 3, holdout 0 of 299")
	w.gate(exitFailed, "BLOCKED_PENDING_EVALUATION")

	w.say("The candidate is measured on the failing case and on a holdout. 160 cases are too few for the bound that was agreed.")
	results := sample.Runs([]string{"invented_eta"})
	w.upload(sample.Partial(results), "INCONCLUSIVE")
	w.gate(exitFailed, "Blocked: holdout 160 of 299, then 2 approvals")
	w.upload(results, "READY_FOR_APPROVAL")
	w.gate(exitFailed, "Ready: needs 2 approvals")

	w.say("Two release managers read the evidence and sign it, each after proving again who they are.")
	for _, manager := range []string{"Mona Brandt", "Sanjay Iyer"} {
		w.become(manager)
		w.visit("/handoffs/1/cases?window=holdout")
		w.see("400 runs shown")
		w.visit("/handoffs/1")
		w.press("Approve")
		w.press("Continue")
		w.see("You sign this evidence")
		w.press("Sign and approve")
		w.see(manager + " approved evidence")
	}
	w.gate(exitDone, "Approved: promotion is allowed")

	w.say("The candidate is promoted, and the certificate verifies with the public key alone.")
	w.press("Promote")
	w.see("What will happen")
	w.press("Promote")
	w.see("The promotion closed incident 1.")
	certificate := filepath.Join(t.TempDir(), "certificate")
	if err := os.WriteFile(certificate, []byte(w.get("/v1/handoffs/1/certificate")), 0o600); err != nil {
		t.Fatal(err)
	}
	w.command(exitDone, "signed by Mona Brandt", "gate", "verify", certificate, "--key", w.machine.runtime.SigningKey)

	w.say("All of it is in the audit, and the audit verifies.")
	w.until("every entry has its place in the tree", func() bool {
		waiting, err := w.machine.product.audit.Status(context.Background())
		return err == nil && waiting.Waiting == 0
	})
	w.command(exitDone, "The audit verifies.", "audit", "verify")
	w.become("auditor")
	w.visit("/audit")
	w.see("handoff.promote")
}

const wrongFormula = `{"event_id":"6f0c3c1e-6f7a-4a5e-8d0a-000000000001","event_type":"assistant_response","event_time":"%s","session_id":"s_walk","request_id":"req_walk","task_class":"spreadsheet_formula","model_version":"v2026-01-10","prompt":"Rank row 4 by revenue within its own region.","response":"RANK.EQ compares within the region when the list is sorted by region, so row 4 ranks 3.","artifact":{"kind":"formula","formula":"=RANK.EQ(B4,B2:B6)","cell":"C4","cells":{"A2":"EMEA","A3":"APAC","A4":"EMEA","A5":"APAC","A6":"EMEA","B2":50,"B3":40,"B4":30,"B5":20,"B6":10},"locale":"en-US","stated":2},"ttft_ms":190,"total_ms":820,"input_tokens":120,"output_tokens":40}
{"event_id":"6f0c3c1e-6f7a-4a5e-8d0a-000000000002","event_type":"feedback","event_time":"%s","session_id":"s_walk","request_id":"req_walk","task_class":"spreadsheet_formula","model_version":"v2026-01-10","explicit_feedback":"down","reason":"incorrect"}`

const sixTraces = `{"event_type":"gate_trace","request_id":"req_201","case_id":"clean_scan","evidence_version":"fastship@v17","prompt_template_id":"tracking-answerer-v1","route":"serve","first_failed_stage":"passed","unsafe_claim_served":false,"input_tokens":188,"cached_input_tokens":80,"output_tokens":27,"ttft_ms":172,"total_ms":410}
{"event_type":"gate_trace","request_id":"req_202","case_id":"invented_eta","evidence_version":"fastship@v17","prompt_template_id":"tracking-answerer-v1","route":"abstain","first_failed_stage":"claim_generation","unsafe_claim_served":false,"input_tokens":196,"cached_input_tokens":80,"output_tokens":20,"ttft_ms":181,"total_ms":395}
{"event_type":"gate_trace","request_id":"req_203","case_id":"wrong_status","evidence_version":"fastship@v17","prompt_template_id":"tracking-answerer-v1","route":"abstain","first_failed_stage":"claim_generation","unsafe_claim_served":false,"input_tokens":192,"cached_input_tokens":80,"output_tokens":21,"ttft_ms":188,"total_ms":402}
{"event_type":"gate_trace","request_id":"req_204","case_id":"missing_feed","evidence_version":null,"prompt_template_id":"tracking-answerer-v1","route":"abstain","first_failed_stage":"evidence_admission","unsafe_claim_served":false,"input_tokens":160,"cached_input_tokens":64,"output_tokens":15,"ttft_ms":205,"total_ms":382}
{"event_type":"gate_trace","request_id":"req_205","case_id":"invented_eta","evidence_version":"fastship@v17","prompt_template_id":"tracking-answerer-v1.1-regression","route":"serve","first_failed_stage":"serving_gate","unsafe_claim_served":true,"input_tokens":198,"cached_input_tokens":80,"output_tokens":29,"ttft_ms":218,"total_ms":430}
{"event_type":"gate_trace","request_id":"req_206","case_id":"invented_eta","evidence_version":"fastship@v17","prompt_template_id":"tracking-answerer-v1.1-regression","route":"serve","first_failed_stage":"serving_gate","unsafe_claim_served":true,"input_tokens":201,"cached_input_tokens":80,"output_tokens":30,"ttft_ms":240,"total_ms":455}`

// walk is a running product and the browser of the person who acts.
type walk struct {
	*testing.T
	machine *machine
	tab     context.Context
	dir     string
}

func startWalk(t *testing.T) *walk {
	if err := static.Ready(); err != nil {
		t.Fatal(err)
	}
	w := &walk{T: t, dir: openDir(t)}
	t.Setenv("ASSAY_DATA", w.dir)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var err error
	options := upOptions{data: w.dir, addr: "127.0.0.1:0"}
	w.machine, err = startMachine(ctx, options)
	t.Cleanup(func() { w.machine.stop(io.Discard) })
	if err == nil {
		err = w.machine.open(ctx, options)
	}
	if err != nil {
		t.Fatal(err)
	}
	link, err := w.machine.product.people.Demonstrate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w.tab = browser(t)
	w.visit("/login/link/" + url.PathEscape(link))
	w.press("Sign in")
	return w
}

// openDir is a folder that the account of PostgreSQL can enter too.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatal("Chromium is not installed: .ci/install chromium")
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	t.Cleanup(stop)
	tab, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(tab, chromedp.EmulateViewport(1440, 900)); err != nil {
		t.Fatal(err)
	}
	return tab
}

func (w *walk) say(step string) { w.Log(step) }

func (w *walk) until(what string, holds func() bool) {
	w.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if holds() {
			return
		}
	}
	w.Fatalf("not within 30 s: %s\n%s", what, w.page())
}

// visit opens an address of the product.
func (w *walk) visit(path string) {
	w.Helper()
	if err := chromedp.Do(w.tab, chromedp.Navigate(w.machine.runtime.Address+path)); err != nil {
		w.Fatal(err)
	}
}

// become switches the account, by its role or its name.
func (w *walk) become(who string) {
	w.Helper()
	w.visit("/")
	clicked := js[bool](w, fmt.Sprintf(`(() => {
		for (const b of document.querySelectorAll('#account form button')) {
			if (!b.textContent.toLowerCase().includes(%q)) continue
			b.click(); return true
		}
		return false
	})()`, strings.ToLower(who)))
	if !clicked {
		w.Fatalf("there is no account of %q", who)
	}
	w.until("signed in as "+who, func() bool {
		return js[bool](w, fmt.Sprintf(`document.readyState === 'complete' && !!document.querySelector('#account .popover-head') &&
			document.querySelector('#account .popover-head').textContent.toLowerCase().includes(%q)`, strings.ToLower(who)))
	})
}

// practise answers what a new labeler begins with. It counts for nothing.
func (w *walk) practise() {
	w.Helper()
	w.until("practice is done", func() bool {
		return js[bool](w, `document.readyState === 'complete' && (() => {
			if (document.body.textContent.includes('You are through')) return true
			const form = document.querySelector('form[action="/practice"]')
			if (form && !form.dataset.sent) {
				form.dataset.sent = 'yes'
				form.querySelector('input[value="correct"]').checked = true
				form.requestSubmit()
			}
			return false
		})()`)
	})
	w.press("Start labeling")
}

// press clicks the button or link with these words, once it is there.
func (w *walk) press(label string) {
	w.Helper()
	w.until("a control says "+label, func() bool {
		return js[bool](w, fmt.Sprintf(`document.readyState === 'complete' && (() => {
			for (const b of document.querySelectorAll('main button, main a.button, main a.btn, main a')) {
				if (b.disabled || b.offsetParent === null) continue
				const words = b.firstChild && b.querySelector('span') ? b.querySelector('span').textContent : b.textContent
				if (b.textContent.trim() !== %q && words.trim() !== %q) continue
				b.click(); return true
			}
			return false
		})()`, label, label))
	})
}

func (w *walk) fill(name, value string) {
	w.Helper()
	js[bool](w, fmt.Sprintf(`(() => { document.querySelector('[name=%q]').value = %q; return true })()`, name, value))
}

func (w *walk) keys(keys string) {
	w.Helper()
	time.Sleep(100 * time.Millisecond) // two frames after the item was painted, keys wake up
	if err := chromedp.Do(w.tab, chromedp.KeyEvent(keys)); err != nil {
		w.Fatal(err)
	}
}

// see waits until the page says these words.
func (w *walk) see(words string) {
	w.Helper()
	w.until("the page says "+words, func() bool {
		return js[bool](w, fmt.Sprintf(`document.readyState === 'complete' && document.body.textContent.replace(/\s+/g, ' ').includes(%q)`, words))
	})
}

func (w *walk) page() string {
	text, _ := chromedp.Run(w.tab, chromedp.Evaluate[string](`location.href + '\n' + document.body.innerText.slice(0, 3000)`))
	return text
}

func js[T any](w *walk, expression string) T {
	w.Helper()
	value, err := chromedp.Run(w.tab, chromedp.Evaluate[T](expression))
	if err != nil {
		var zero T
		return zero // the page is just changing
	}
	return value
}

func (w *walk) call(method, path, body string) (int, string) {
	w.Helper()
	at := remote{w.machine.runtime.Address, w.machine.runtime.Key}
	request, err := http.NewRequest(method, at.address+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+at.key)
	request.Header.Set("Content-Type", "application/x-ndjson")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		w.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

func (w *walk) post(path, body string, want int, says string) {
	w.Helper()
	code, answer := w.call("POST", path, body)
	if code != want || !strings.Contains(answer, says) {
		w.Fatalf("POST %s: want %d and %s, got %d: %s", path, want, says, code, answer)
	}
}

func (w *walk) get(path string) string {
	w.Helper()
	code, answer := w.call("GET", path, "")
	if code != http.StatusOK {
		w.Logf("GET %s: %d %s", path, code, answer)
	}
	return answer
}

func (w *walk) json(path string, into any) {
	w.Helper()
	if err := json.Unmarshal([]byte(w.get(path)), into); err != nil {
		w.Fatalf("GET %s: %v", path, err)
	}
}

// command runs the program as a person at a terminal would.
func (w *walk) command(want int, says string, args ...string) {
	w.Helper()
	out := capture(w.T, func() {
		if got := run(args, os.Stdout, os.Stderr); got != want {
			w.Errorf("assay %s: want exit %d, got %d", strings.Join(args, " "), want, got)
		}
	})
	if !strings.Contains(out, says) {
		w.Errorf("assay %s does not say %q:\n%s", strings.Join(args, " "), says, out)
	}
}

func (w *walk) gate(want int, says string) {
	w.Helper()
	w.command(want, says, "gate", "check", "1")
}

func (w *walk) upload(lines []sample.Event, says string) {
	w.Helper()
	path := filepath.Join(w.TempDir(), "results.jsonl")
	if err := os.WriteFile(path, jsonLines(lines), 0o600); err != nil {
		w.Fatal(err)
	}
	w.command(exitDone, says, "gate", "upload", "1", path)
}

// capture returns what act wrote to standard output and error.
func capture(t *testing.T, act func()) string {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, errOut := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = write, write
	done := make(chan string)
	go func() {
		var text bytes.Buffer
		io.Copy(&text, read)
		done <- text.String()
	}()
	act()
	os.Stdout, os.Stderr = out, errOut
	write.Close()
	return <-done
}
