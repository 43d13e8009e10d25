export const style = `
:root { color-scheme: light dark; --line: light-dark(#c8ccd2, #4a4f57); --quiet: light-dark(#5c636d, #9aa2ad);
  --ground: light-dark(#fff, #16181c); --bar: light-dark(#3b6fb6, #7fb0f0); --fault: light-dark(#a3320b, #ff9d76);
  --open: light-dark(#2f8f5b, #6fd09b); --wait: light-dark(#7a5200, #f0c36b) }
body { font: 15px/1.5 ui-monospace, monospace; max-width: 72rem; margin: 0 auto; padding: 0 1rem 1rem;
  background: var(--ground); color: light-dark(#1c1f23, #e6e8eb) }
header { position: sticky; top: 0; z-index: 1; background: var(--ground); border-bottom: 1px solid var(--line); padding: .6rem 0 }
h1, h2 { font-size: 1.1rem } h1 { margin: 0 0 .4rem }
form { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center }
input, select, button { font: inherit; color: inherit; background: none; border: 1px solid var(--line); border-radius: .3rem; padding: .2rem .5rem }
select { background: var(--ground) }
[type=search] { flex: 1 1 14rem; min-width: 0 } [type=number] { width: 4rem }
[role=status] { margin: 0; color: var(--fault) }
section { scroll-margin-top: 6rem }
@media (width < 40rem) { header { position: static } }
ul, ol { list-style: none; margin: 0; padding-left: 1.25rem; border-left: 1px solid var(--line) }
section > ul, ol, details > ul { border: 0; padding: 0 }
li { overflow-wrap: anywhere } small, p { color: var(--quiet) }
.detail { display: block }
meter { width: 6rem; height: .8rem; vertical-align: middle }
b { font-weight: 600; color: var(--fault) }
em { font-style: normal; color: var(--wait) } a { color: inherit }
svg { display: block; width: 100%; margin: .15rem 0 .35rem; fill: var(--bar);
  background: light-dark(#f0f2f5, #22262c) }
rect.fault, rect.end { fill: var(--fault) }
rect.open { fill: var(--open) }
summary { cursor: pointer; padding: .1rem 0 }
details[open] { border-left: 3px solid var(--line); padding-left: .75rem }
.d1 { padding-left: 1rem } .d2 { padding-left: 2rem } .d3 { padding-left: 3rem } .d4, .d5 { padding-left: 4rem }
`
