package code

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"assay/validators/wasm"
)

// interpreter is one QuickJS with the driver in it. It is called from one
// goroutine, and may call back while it is called.
type interpreter struct {
	guest  api.Module
	driver map[string]uint64 // the driver's functions
	// ask is what the code or the tests ask of the other side, in JSON.
	ask func(ctx context.Context, text string) (string, error)
	// rejected is a promise that nobody looks after.
	rejected *blame
}

// The errors that a script can end with: its own, and one of the interpreter.
type (
	thrown struct {
		handle uint64
		in     *interpreter
	}
	trap struct{ cause error }
)

func (t thrown) Error() string { return "the script threw" }
func (t trap) Error() string   { return "the interpreter ended: " + t.cause.Error() }

type interpreterKey struct{}

// hostFunctions are what the engine wants of its host.
func hostFunctions(ctx context.Context, rt wazero.Runtime) error {
	env := rt.NewHostModuleBuilder("env")
	of := func(ctx context.Context) *interpreter { return ctx.Value(interpreterKey{}).(*interpreter) }
	export := func(name string, f any) { env.NewFunctionBuilder().WithFunc(f).Export(name) }
	export("host_get_timezone_offset", func(context.Context, uint32, uint32) uint32 { return 0 })
	export("host_interrupt", func(context.Context) uint32 { return 0 })
	export("host_promise_rejection", func(ctx context.Context, m api.Module, promise, reason, handled uint32) {
		of(ctx).unhandled(ctx, uint64(promise), uint64(reason), handled != 0)
	})
	export("host_module_normalize", func(ctx context.Context, m api.Module, base, name uint32) uint32 { return 0 })
	export("host_module_load", func(ctx context.Context, m api.Module, name, length uint32) uint32 { return 0 })
	export("host_call", func(ctx context.Context, m api.Module, name, nameLen, this, argc, argv uint32) uint32 {
		return uint32(of(ctx).called(ctx, argc, argv))
	})
	_, err := env.Instantiate(ctx)
	return err
}

// start starts an interpreter with the driver in it.
func startJS(ctx context.Context, engine *wasm.Loaded) (*interpreter, context.Context, error) {
	in := &interpreter{driver: map[string]uint64{}}
	ctx = context.WithValue(ctx, interpreterKey{}, in)
	guest, err := engine.Start(ctx, wasm.Pipes{})
	if err != nil {
		return nil, nil, fmt.Errorf("start QuickJS: %w", err)
	}
	in.guest = guest
	if code, err := in.call(ctx, "qjs_init"); err != nil || code != 0 {
		return nil, nil, fmt.Errorf("start QuickJS: code %d: %w", code, errors.Join(err))
	}
	if _, err := in.call(ctx, "qjs_set_memory_limit", guestSpace*7/8); err != nil {
		return nil, nil, err
	}
	if _, err := in.call(ctx, "qjs_set_max_stack_size", 512<<10); err != nil { // half of what the module has
		return nil, nil, err
	}
	if err := in.lendHost(ctx); err != nil {
		return nil, nil, err
	}
	driver, err := in.eval(ctx, javascriptDriver, "<driver>", 0)
	if err != nil {
		return nil, nil, fmt.Errorf("start the driver: %w", err)
	}
	for _, name := range []string{"answer", "exists", "globals", "lend", "borrow", "drain", "input", "output", "state", "blame", "adopt"} {
		if in.driver[name], err = in.property(ctx, driver, name); err != nil {
			return nil, nil, err
		}
	}
	return in, ctx, nil
}

func (in *interpreter) close(ctx context.Context) { _ = in.guest.Close(ctx) }

// call calls a function of the engine.
func (in *interpreter) call(ctx context.Context, name string, args ...uint64) (uint64, error) {
	results, err := in.guest.ExportedFunction(name).Call(ctx, args...)
	if err != nil {
		return 0, trap{err}
	}
	if len(results) == 0 {
		return 0, nil
	}
	return results[0], nil
}

// unhandled hears of promises that were rejected, and of those that somebody
// looks after later.
func (in *interpreter) unhandled(ctx context.Context, promise, reason uint64, handled bool) {
	in.free(ctx, promise)
	if handled {
		in.rejected = nil
		in.free(ctx, reason)
		return
	}
	if b, err := in.blamed(ctx, thrown{reason, in}); err == nil {
		in.rejected = b
	}
}

func (in *interpreter) free(ctx context.Context, handle uint64) {
	_, _ = in.call(ctx, "qjs_free_value", handle)
}

// write puts a text, with a zero behind it, into the guest's memory.
func (in *interpreter) write(ctx context.Context, text string) (at uint64, err error) {
	at, err = in.call(ctx, "wasm_malloc", uint64(len(text)+1))
	if err == nil && at == 0 {
		err = trap{errors.New("out of memory")}
	}
	if err == nil && !in.guest.Memory().Write(uint32(at), append([]byte(text), 0)) {
		err = trap{errors.New("the guest's memory is elsewhere")}
	}
	return at, err
}

// text reads a string value.
func (in *interpreter) text(ctx context.Context, handle uint64) (string, error) {
	length, err := in.call(ctx, "wasm_malloc", 4)
	if err != nil || length == 0 {
		return "", trap{fmt.Errorf("out of memory: %w", errors.Join(err))}
	}
	defer func() { _, _ = in.call(ctx, "wasm_free", length) }()
	at, err := in.call(ctx, "qjs_get_string_len", handle, length)
	if err != nil {
		return "", err
	}
	if at == 0 {
		return "", trap{errors.New("this is no text")}
	}
	size, ok := in.guest.Memory().ReadUint32Le(uint32(length))
	if !ok || size > maxFrames {
		return "", trap{errTooMuch}
	}
	body, ok := in.guest.Memory().Read(uint32(at), size)
	if !ok {
		return "", trap{errors.New("a text is outside the guest's memory")}
	}
	said := string(body)
	_, err = in.call(ctx, "qjs_free_cstring", at)
	return said, err
}

// eval runs a script; its error may be what the script threw. As a module it
// gives a promise of the module's exports.
func (in *interpreter) eval(ctx context.Context, source, name string, flags uint64) (uint64, error) {
	at, err := in.write(ctx, source)
	if err != nil {
		return 0, err
	}
	file, err := in.write(ctx, name)
	if err != nil {
		return 0, err
	}
	value, err := in.call(ctx, "qjs_eval", at, uint64(len(source)), file, flags)
	if err != nil {
		return 0, err
	}
	_, _ = in.call(ctx, "wasm_free", at)
	_, _ = in.call(ctx, "wasm_free", file)
	return in.checked(ctx, value)
}

// checked turns an exception into an error.
func (in *interpreter) checked(ctx context.Context, value uint64) (uint64, error) {
	bad, err := in.call(ctx, "qjs_is_exception", value)
	if err != nil {
		return 0, err
	}
	if bad == 0 {
		return value, nil
	}
	what, err := in.call(ctx, "qjs_get_exception")
	if err != nil {
		return 0, err
	}
	return 0, thrown{what, in}
}

func (in *interpreter) property(ctx context.Context, object uint64, name string) (uint64, error) {
	at, err := in.write(ctx, name)
	if err != nil {
		return 0, err
	}
	value, err := in.call(ctx, "qjs_get_prop_string", object, at)
	if err != nil {
		return 0, err
	}
	return in.checked(ctx, value)
}

// lendHost makes __host, which the driver takes away for itself.
func (in *interpreter) lendHost(ctx context.Context) error {
	name, err := in.write(ctx, "__host")
	if err != nil {
		return err
	}
	f, err := in.call(ctx, "qjs_new_host_function", name, uint64(len("__host")), 2)
	if err != nil {
		return err
	}
	global, err := in.call(ctx, "qjs_get_global")
	if err != nil {
		return err
	}
	_, err = in.call(ctx, "qjs_set_prop_string", global, name, f)
	return err
}

// do calls a function of the driver with a text and returns its text.
func (in *interpreter) do(ctx context.Context, function, text string) (string, error) {
	argument, err := in.newText(ctx, text)
	if err != nil {
		return "", err
	}
	return in.apply(ctx, function, argument)
}

// apply calls a function of the driver with a value.
func (in *interpreter) apply(ctx context.Context, function string, argument uint64) (string, error) {
	argv, err := in.call(ctx, "wasm_malloc", 4)
	if err != nil {
		return "", err
	}
	in.guest.Memory().WriteUint32Le(uint32(argv), uint32(argument))
	undefined, err := in.call(ctx, "qjs_get_undefined")
	if err != nil {
		return "", err
	}
	value, err := in.call(ctx, "qjs_call", in.driver[function], undefined, 1, argv)
	if err != nil {
		return "", err
	}
	_, _ = in.call(ctx, "wasm_free", argv)
	in.free(ctx, argument)
	if value, err = in.checked(ctx, value); err != nil {
		return "", err
	}
	defer in.free(ctx, value)
	return in.text(ctx, value)
}

func (in *interpreter) newText(ctx context.Context, text string) (uint64, error) {
	at, err := in.write(ctx, text)
	if err != nil {
		return 0, err
	}
	value, err := in.call(ctx, "qjs_new_string", at, uint64(len(text)))
	if err != nil {
		return 0, err
	}
	_, err = in.call(ctx, "wasm_free", at)
	return value, err
}

// called is what the driver asks of the host: to run the jobs of promises, or
// something of the other side.
func (in *interpreter) called(ctx context.Context, argc, argv uint32) uint64 {
	argument := func(n uint32) string {
		if n >= argc {
			return ""
		}
		handle, _ := in.guest.Memory().ReadUint32Le(argv + 4*n)
		text, err := in.text(ctx, uint64(handle))
		if err != nil {
			return ""
		}
		return text
	}
	answer := ""
	switch argument(0) {
	case "jobs":
		in.runJobs(ctx)
	case "ask":
		if in.ask != nil {
			said, err := in.ask(ctx, argument(1))
			if err != nil {
				panic(err) // ends this guest too: the other side is gone
			}
			answer = said
		}
	}
	value, err := in.newText(ctx, answer)
	if err != nil {
		panic(err)
	}
	return value
}

// maxJobs bounds promises that beget promises; the clock bounds what they do.
const maxJobs = 1 << 20

func (in *interpreter) runJobs(ctx context.Context) {
	for range maxJobs {
		pending, err := in.call(ctx, "qjs_is_job_pending")
		if err != nil {
			panic(err)
		}
		if pending == 0 {
			return
		}
		if done, err := in.call(ctx, "qjs_execute_pending_job"); err != nil {
			panic(err)
		} else if int32(done) < 0 {
			what, err := in.call(ctx, "qjs_get_exception")
			if err != nil {
				panic(err)
			}
			in.free(ctx, what)
		}
	}
}

// settled waits for a promise by running all jobs, and returns its value or
// what it was rejected with. What is no promise is its own value.
func (in *interpreter) settled(ctx context.Context, value uint64) (uint64, error) {
	promise, err := in.call(ctx, "qjs_is_promise", value)
	if err != nil || promise == 0 {
		return value, err
	}
	if _, err := in.do(ctx, "drain", ""); err != nil {
		return 0, err
	}
	state, err := in.call(ctx, "qjs_promise_state", value)
	if err != nil {
		return 0, err
	}
	result, err := in.call(ctx, "qjs_promise_result", value)
	if err != nil {
		return 0, err
	}
	switch state {
	case 1:
		return result, nil
	case 2:
		return 0, thrown{result, in}
	}
	return 0, errPending
}

var errPending = errors.New("it waits for something that never happens")
