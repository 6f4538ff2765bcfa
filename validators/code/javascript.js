// What runs inside the interpreter, on both sides of a check, before anything
// else does. Each side is an interpreter with a memory of its own; __host carries
// text between them. Values are taken apart here and put together there; what is
// no plain value stays where it is and is asked through a stand-in.
(() => {
  'use strict'
  const host = globalThis.__host
  delete globalThis.__host
  const { parse, stringify } = JSON
  const { isArray } = Array
  const { ownKeys, getPrototypeOf, apply, construct } = Reflect
  const ObjectProto = Object.prototype
  const kept = []
  const fars = new WeakMap()
  let trusted = false
  let strange = false
  let last = null
  let calls = 0

  function keep(v) {
    let at = kept.indexOf(v)
    if (at < 0) at = kept.push(v) - 1
    return at
  }

  // put makes JSON of a value: plain JSON where it can, one-key objects with a
  // letter where it cannot.
  function put(v, depth = 0) {
    if (depth > 200) throw new TypeError('a value is nested too deep')
    switch (typeof v) {
      case 'string': return { s: wtf(v) }
      case 'boolean': return v
      case 'number': return Number.isFinite(v) && !Object.is(v, -0) ? v : { n: Object.is(v, -0) ? '-0' : String(v) }
      case 'undefined': return { u: 1 }
      case 'bigint': return { i: String(v) }
      case 'symbol': return { u: 1 }
    }
    if (v === null) return null
    if (fars.has(v)) return { r: fars.get(v) }
    if (isArray(v)) {
      const out = []
      for (let i = 0; i < v.length; i++) out.push(i in v ? put(v[i], depth + 1) : { h: 1 })
      return { a: out }
    }
    if (v instanceof Map) return { m: [...v].map(([k, x]) => [put(k, depth + 1), put(x, depth + 1)]) }
    if (v instanceof Set) return { S: [...v].map((x) => put(x, depth + 1)) }
    if (v instanceof Date) return { d: v.getTime() }
    if (v instanceof Error) return { e: [String(v.name), String(v.message)] }
    const proto = typeof v === 'object' ? getPrototypeOf(v) : null
    if (typeof v === 'object' && (proto === ObjectProto || proto === null)) {
      return { o: ownKeys(v).filter((k) => typeof k === 'string').map((k) => [wtf(k), put(v[k], depth + 1)]) }
    }
    return { f: [keep(v), typeof v === 'function' ? 1 : 0, nameOf(v)] }
  }

  // Lone surrogates do not survive on the way; they are told by their units.
  function wtf(s) {
    return s.isWellFormed() ? s : { w: Array.from({ length: s.length }, (_, i) => s.charCodeAt(i)) }
  }
  const unwtf = (s) => (typeof s === 'string' ? s : String.fromCharCode(...s.w))

  function nameOf(v) {
    try {
      return String(typeof v === 'function' ? (/^class\b/.test(Function.prototype.toString.call(v)) ? 'class' : 'function') : getPrototypeOf(v)?.constructor?.name || 'object').slice(0, 60)
    } catch {
      return 'object'
    }
  }

  function get(v) {
    if (v === null || typeof v !== 'object') return v
    const [k] = Object.keys(v)
    const x = v[k]
    switch (k) {
      case 's': return unwtf(x)
      case 'n': return Number(x)
      case 'u': return undefined
      case 'i': return BigInt(x)
      case 'a': { const out = []; out.length = x.length; x.forEach((y, i) => { if (!(y && y.h)) out[i] = get(y) }); return out }
      case 'm': return new Map(x.map(([a, b]) => [get(a), get(b)]))
      case 'S': return new Set(x.map(get))
      case 'd': return new Date(x)
      case 'e': return failure(x[0], x[1])
      case 'o': { const out = {}; for (const [n, y] of x) Object.defineProperty(out, unwtf(n), { value: get(y), writable: true, enumerable: true, configurable: true }); return out }
      case 'r': return kept[x]
      case 'f': return far(x[0], x[1], x[2])
    }
    throw new TypeError('this is no value')
  }

  const kinds = { Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError }
  function failure(name, message) {
    const e = new (kinds[name] || Error)(message)
    if (!kinds[name]) Object.defineProperty(e, 'name', { value: name, configurable: true, writable: true })
    Object.defineProperty(e, '__far', { value: true })
    return e
  }

  // far is a stand-in for something of the other side.
  function far(id, calls, name) {
    strange = strange || !calls || name === 'class'
    const word = (key) => key === 'valueOf' || key === 'toString' || typeof key === 'symbol' || key === 'toJSON'
    const known = (key) => (typeof key === 'symbol' ? { y: String(key.description) } : key)
    const target = calls ? function () {} : {}
    const it = new Proxy(target, {
      get(_, key) { if (word(key)) trusted = true; return ask(id, 'get', [known(key)]) },
      set(_, key, value) { ask(id, 'set', [known(key), value]); return true },
      has(_, key) { return ask(id, 'has', [known(key)]) },
      ownKeys() { return [...new Set([...ask(id, 'keys', []), ...(calls ? ['prototype'] : [])])] },
      getOwnPropertyDescriptor(t, key) {
        if (calls && key === 'prototype') return Reflect.getOwnPropertyDescriptor(t, key)
        return ask(id, 'own', [known(key)]) ? { value: ask(id, 'get', [known(key)]), writable: true, enumerable: true, configurable: true } : undefined
      },
      apply(_, self, args) { return ask(id, 'call', args, self) },
      construct(_, args) { return Object(ask(id, 'new', args)) },
    })
    fars.set(it, id)
    return it
  }

  function ask(id, what, args, self) {
    const before = args.map((a) => stringify(put(a)))
    const answer = parse(host('ask', stringify([id, what, args.map((a) => put(a)), put(self)])))
    if (answer.changed) for (const [i, v] of answer.changed) restore(args[i], get(v), before[i])
    if (answer.raised) throw Object.defineProperty(get(answer.raised), '__line', { value: answer.line })
    if (answer.thrown !== undefined) throw get(answer.thrown)
    if (answer.later) return answer.later[0] ? Promise.resolve(get(answer.later[1])) : Promise.reject(get(answer.later[1]))
    return get(answer.gave)
  }

  function restore(old, now) {
    if (isArray(old)) {
      old.length = 0
      old.push(...now)
    } else if (old instanceof Map || old instanceof Set) {
      old.clear()
      for (const x of now) old instanceof Map ? old.set(x[0], x[1]) : old.add(x)
    } else {
      for (const k of Object.keys(old)) delete old[k]
      Object.assign(old, now)
    }
  }

  const key = (k) => (k && k.y ? Symbol[k.y.replace(/^Symbol\./, '')] : k)

  // answer does what the other side asks.
  function answer(text) {
    const [id, what, packed, packedSelf] = parse(text)
    const target = kept[id]
    const args = packed.map(get)
    const before = args.map((a) => (a && typeof a === 'object' && !fars.has(a) ? stringify(put(a)) : ''))
    const out = {}
    try {
      let v
      switch (what) {
        case 'call': v = apply(target, get(packedSelf), args); break
        case 'new': v = construct(target, args); break
        case 'get': v = target[key(args[0])]; if (typeof v === 'function' && v !== target.constructor) v = bound(v, target); break
        case 'set': target[key(args[0])] = args[1]; break
        case 'has': v = key(args[0]) in target; break
        case 'keys': v = ownKeys(target).filter((k) => typeof k === 'string'); break
        case 'own': v = Object.prototype.propertyIsEnumerable.call(target, key(args[0])); break
      }
      if (v instanceof Promise) out.later = settled(v)
      else out.gave = put(v)
    } catch (e) {
      if (e instanceof Error) { out.raised = put(e); out.line = lineOf(e, 'code') } else out.thrown = put(e)
    }
    args.forEach((a, i) => {
      if (before[i]) { const now = put(a); if (stringify(now) !== before[i]) (out.changed ||= []).push([i, now]) }
    })
    return stringify(out)
  }

  const bounds = new WeakMap()
  function bound(f, self) {
    let of = bounds.get(self)
    if (!of) bounds.set(self, of = new Map())
    if (!of.has(f)) of.set(f, f.bind(self))
    return of.get(f)
  }

  function settled(promise) {
    let done = null
    promise.then((v) => { done = [1, put(v)] }, (e) => { done = [0, put(e)] })
    drain()
    if (!done) throw new Error('a promise is never settled')
    return done
  }

  // Timers pass without waiting, in the order of their times.
  const timers = []
  let clock = 0
  let nextTimer = 1
  function later(repeat) {
    return (f, ms, ...args) => {
      timers.push({ id: nextTimer, at: clock + Math.max(0, Number(ms) || 0), f, args, repeat: repeat ? Math.max(1, Number(ms) || 1) : 0 })
      return nextTimer++
    }
  }
  function drain() {
    for (let turns = 0; turns < 100000; turns++) {
      host('jobs', '')
      if (!timers.length) return
      let first = 0
      timers.forEach((t, i) => { if (t.at < timers[first].at) first = i })
      const [t] = timers.splice(first, 1)
      clock = t.at
      if (t.repeat) timers.push({ ...t, at: clock + t.repeat })
      if (typeof t.f === 'function') t.f(...t.args)
    }
  }
  const clear = (id) => { const i = timers.findIndex((t) => t.id === id); if (i >= 0) timers.splice(i, 1) }

  function lineOf(e, file) {
    const found = new RegExp('<' + file + '>:(\\d+)').exec(String(e && e.stack || ''))
    return found ? Number(found[1]) : 0
  }

  const printed = []
  let printedSize = 0
  function print(...args) {
    const line = args.map((a) => (typeof a === 'string' ? a : shown(a))).join(' ') + '\n'
    if (printedSize < 1 << 20) printed.push(line.slice(0, (1 << 20) - printedSize))
    printedSize += line.length
  }
  // shown writes a value as Node's console does, the common cases of it.
  function shown(v, depth = 0, inside = false) {
    if (typeof v === 'string') return inside ? `'${v.replace(/\\/g, '\\\\').replace(/'/g, "\\'").replace(/\n/g, '\\n')}'` : v
    if (typeof v === 'bigint') return v + 'n'
    if (Object.is(v, -0)) return '-0'
    if (v === null || typeof v !== 'object') return typeof v === 'function' ? `[Function: ${v.name || '(anonymous)'}]` : String(v)
    if (v instanceof Error) return String(v.stack ? `${v.name}: ${v.message}` : v)
    if (depth > 2) return isArray(v) ? '[Array]' : '[Object]'
    const next = (x) => shown(x, depth + 1, true)
    if (isArray(v)) return v.length ? `[ ${v.map(next).join(', ')} ]` : '[]'
    if (v instanceof Map) return `Map(${v.size}) {${[...v].map(([a, b]) => ` ${next(a)} => ${next(b)}`).join(',')} }`
    if (v instanceof Set) return `Set(${v.size}) {${[...v].map((a) => ' ' + next(a)).join(',')} }`
    const fields = Object.keys(v).map((k) => `${/^[A-Za-z_$][\w$]*$/.test(k) ? k : next(k)}: ${next(v[k])}`)
    return fields.length ? `{ ${fields.join(', ')} }` : '{}'
  }

  class AssertionError extends Error {
    constructor(message) { super(message); this.name = 'AssertionError' }
  }
  const say = (message, otherwise) => (message instanceof Error ? message : new AssertionError(message === undefined ? otherwise : String(message)))
  function same(a, b, strict, depth = 0) {
    if (strict ? Object.is(a, b) : a == b || Object.is(a, b)) return true
    if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object' || depth > 200) return false
    if (isArray(a) !== isArray(b)) return false
    if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime()
    if (a instanceof Map && b instanceof Map) return a.size === b.size && [...a].every(([k, v]) => b.has(k) && same(v, b.get(k), strict, depth + 1))
    if (a instanceof Set && b instanceof Set) return a.size === b.size && [...a].every((v) => b.has(v) || [...b].some((w) => same(v, w, strict, depth + 1)))
    const ka = Object.keys(a)
    return ka.length === Object.keys(b).length && ka.every((k) => Object.hasOwn(b, k) && same(a[k], b[k], strict, depth + 1))
  }
  function assert(ok, message) { if (!ok) throw say(message, 'an assertion does not hold') }
  const differ = (a, b) => `${shown(a, 0, true)} is not ${shown(b, 0, true)}`
  Object.assign(assert, {
    AssertionError,
    ok: assert,
    fail(message) { throw say(message, 'failed') },
    equal(a, b, message) { if (!(a == b || Object.is(a, b))) throw say(message, differ(a, b)) },
    notEqual(a, b, message) { if (a == b) throw say(message, 'both are ' + shown(a, 0, true)) },
    strictEqual(a, b, message) { if (!Object.is(a, b)) throw say(message, differ(a, b)) },
    notStrictEqual(a, b, message) { if (Object.is(a, b)) throw say(message, 'both are ' + shown(a, 0, true)) },
    deepEqual(a, b, message) { if (!same(a, b, false)) throw say(message, differ(a, b)) },
    deepStrictEqual(a, b, message) { if (!same(a, b, true)) throw say(message, differ(a, b)) },
    notDeepEqual(a, b, message) { if (same(a, b, false)) throw say(message, 'both are ' + shown(a, 0, true)) },
    notDeepStrictEqual(a, b, message) { if (same(a, b, true)) throw say(message, 'both are ' + shown(a, 0, true)) },
    throws(f, kind, message) {
      try { f() } catch (e) {
        if (kind instanceof RegExp && !kind.test(String(e))) throw say(message, `${e} does not match ${kind}`)
        if (typeof kind === 'function' && kind.prototype instanceof Error && e.name !== kind.name && !(e instanceof kind)) throw say(message, `${e} is no ${kind.name}`)
        return
      }
      throw say(message, 'nothing was thrown')
    },
    doesNotThrow(f) { f() },
    match(text, pattern, message) { if (!pattern.test(text)) throw say(message, `${shown(text, 0, true)} does not match ${pattern}`) },
    async rejects(p, message) { try { await (typeof p === 'function' ? p() : p) } catch { return } throw say(message, 'nothing was rejected') },
  })
  assert.strict = assert

  const modules = { assert, 'assert/strict': assert, util: { isDeepStrictEqual: (a, b) => same(a, b, true), inspect: (v) => shown(v, 0, true) } }
  function require(name) {
    const found = modules[String(name).replace(/^node:/, '')]
    if (!found) throw Object.assign(new Error(`Cannot find module '${name}'`), { code: 'MODULE_NOT_FOUND' })
    return found
  }
  const module = { exports: {} }
  const console = { log: print, info: print, debug: print, error() {}, warn() {}, trace() {}, table: print, time() {}, timeEnd() {}, group() {}, groupEnd() {}, assert() {} }
  // Node's console.assert only prints; tests that use it mean it.
  const insist = (ok, ...message) => { if (!ok) throw new AssertionError(message.map((m) => (typeof m === 'string' ? m : shown(m))).join(' ') || 'an assertion does not hold') }
  const given = { console, require, module, exports: module.exports, setTimeout: later(false), setInterval: later(true), setImmediate: (f, ...a) => later(false)(f, 0, ...a), clearTimeout: clear, clearInterval: clear, clearImmediate: clear, structuredClone: (v) => get(put(v)), queueMicrotask: (f) => { Promise.resolve().then(f) }, global: globalThis }
  for (const [name, value] of Object.entries(given)) Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false })

  const short = (v) => { let t; try { t = shown(v, 0, true) } catch { t = '?' } return t.length > 400 ? t.slice(0, 400) + '…' : t }

  // What the host may ask of this side. It holds these functions itself, so
  // that code which overwrites globals does not reach them.
  return {
    answer,
    // exists tells which members of the built-in objects there are.
    exists(text) {
      return stringify(parse(text).map(([object, member]) => {
        const o = globalThis[object]
        if (o === null || (typeof o !== 'object' && typeof o !== 'function')) return { there: true }
        return member in o ? { there: true } : { there: false, names: Object.getOwnPropertyNames(o) }
      }))
    },
    globals() { return stringify(Object.getOwnPropertyNames(globalThis)) },
    // lend gives the names that the code defines, of those that are asked for.
    lend(text) {
      const out = []
      for (const name of parse(text)) {
        try {
          const v = Object.hasOwn(module.exports, name) ? module.exports[name] : (0, eval)(name)
          out.push([name, put(v)])
        } catch { /* it defines none of that name */ }
      }
      return stringify(out)
    },
    // borrow makes the other side's names this side's.
    borrow(text) {
      console.assert = insist
      const [entry, lent] = parse(text)
      for (const [name, packed] of lent) {
        // What the language has is never the other side's: that would let it
        // compare for us. The function that is asked for is the one exception.
        if (name in globalThis && name !== entry) continue
        const v = get(packed)
        let mine = v
        if (typeof v === 'function') {
          mine = new Proxy(v, {
            apply(f, self, args) {
              const call = [`${name}(${args.map(short).join(', ')})`, '']
              last = call
              calls++
              try {
                const got = Reflect.apply(f, undefined, args)
                call[1] = got instanceof Promise ? 'a promise' : fars.has(Object(got)) ? 'an object' : short(got)
                return got
              } catch (e) {
                call[1] = 'raised ' + String(e).slice(0, 300)
                throw e
              }
            },
            construct(f, args) { calls++; return Reflect.construct(f, args) },
          })
          fars.set(mine, fars.get(v))
        }
        Object.defineProperty(globalThis, name, { value: mine, writable: true, configurable: true, enumerable: true })
      }
      Object.defineProperty(globalThis, 'require', { value: (name) => (/^\.{0,2}\//.test(name) ? globalThis.__theirs : require(name)), writable: true, configurable: true })
      Object.defineProperty(globalThis, '__theirs', { value: Object.fromEntries(lent.map(([name]) => [name, globalThis[name]])), configurable: true })
      return ''
    },
    drain() { drain(); return '' },
    // adopt takes the exports of a module for the code's names.
    adopt(namespace) { for (const k of Object.keys(namespace)) module.exports[k] = namespace[k]; if (typeof namespace.default === 'function' && namespace.default.name) module.exports[namespace.default.name] ||= namespace.default; return '' },
    input(text) {
      modules.fs = { readFileSync: () => text }
      globalThis.readline = (() => { const lines = text.split('\n'); return () => lines.shift() })()
      globalThis.prompt = globalThis.readline
      globalThis.process = { stdin: {}, argv: ['node', 'code.js'], env: {}, exit(code) { throw Object.assign(new Error('exit ' + (code || 0)), { __exit: code || 0 }) }, stdout: { write(t) { if (printedSize < 1 << 20) printed.push(String(t)); printedSize += String(t).length } } }
      return ''
    },
    output() { return printed.join('') },
    state() { return stringify({ trusted, strange, last, calls }) },
    blame(e) {
      const far = !!(e && e.__far)
      const isError = e instanceof Error || (e && typeof e === 'object' && 'message' in e)
      return stringify({ name: isError ? String(e.name) : 'thrown', message: (isError ? String(e.message) : short(e)).slice(0, 500), far, code: far ? e.__line || 0 : lineOf(e, 'code'), test: lineOf(e, 'tests'), exit: e && typeof e.__exit === 'number' ? e.__exit : -1, missing: !!(e && e.code === 'MODULE_NOT_FOUND') })
    },
  }
})()
