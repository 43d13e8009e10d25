import { cp, mkdir, readdir, readFile, symlink, writeFile, chmod } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import {
  cleanEnvironment,
  commandLine,
  commandLineFor,
  eventually,
  exists,
  fakeProgram,
  homeFolder,
  leftovers,
  repository,
  run,
  start,
  temporaryFolder,
  treeOf,
  writeFiles,
  type AtEnd,
  type Ended,
} from '../support/create.ts'
import { findOnPath, packageManagers } from '../../generator/package-manager.ts'

/** The one sentence of a refusal. */
const oneSentence = /^create-mainstem: [^\n]+\n$/

const whole = leftovers()
afterAll(whole.remove)

let home: string
beforeAll(async () => {
  home = await homeFolder(whole.atEnd)
})

function create(cwd: string, args: readonly string[], extra: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return run([...commandLine, ...args], { cwd, env: cleanEnvironment(home, extra) })
}

function pathWith(folder: string): NodeJS.ProcessEnv {
  return { PATH: `${folder}:${cleanEnvironment(home)['PATH'] ?? ''}` }
}

function objectOf(ended: Ended): Record<string, unknown> {
  const printed: unknown = JSON.parse(ended.stdout)
  if (typeof printed !== 'object' || printed === null) throw new Error(`not an object: ${ended.stdout}`)
  return { ...printed }
}

function lastLine(text: string): string {
  return text.trimEnd().split(/\r?\n/).at(-1) ?? ''
}

async function git(cwd: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(['git', ...args], { cwd, env: cleanEnvironment(home) })
  expect(stderr).toBe('')
  expect(code).toBe(0)
  return stdout
}

describe('bad input: one sentence, exit 1, nothing written', () => {
  const cases: [string, string[], RegExp][] = [
    ['no directory', [], /directory is missing/],
    ['an empty directory name', [''], /directory is missing/],
    ['a directory that is not empty', ['full'], /full exists and is not empty \(note\.txt\): .* --force/],
    [
      'files that the service would replace',
      ['taken'],
      /taken holds files that the service would replace \(package\.json, src\/routes\.ts\): .* --force/,
    ],
    [
      'files that the service would replace, in a dry run',
      ['taken', '--dry-run'],
      /package\.json, src\/routes\.ts/,
    ],
    ['a file', ['plain'], /plain exists and is a file/],
    [
      'a directory inside of a service',
      ['service/src/other'],
      /is inside the service \S+\/service: create it beside that service, such as \S+\/other;/,
    ],
    ['a link that leads nowhere', ['dangling'], /leads nowhere/],
    ['../', ['../'], /cannot be the directory of a service/],
    ['..', ['..'], /cannot be the directory of a service/],
    ['../..', ['../..'], /cannot be the directory of a service/],
    ['/', ['/'], /cannot be the directory of a service/],
    ['a directory that holds something, by .', ['.'], /cannot name a service|not empty/],
    ['My Service!', ['My Service!'], /'My Service!' cannot name a service/],
    ['a path whose last part is not a name', ['../My Service!'], /'My Service!' cannot name a service/],
    ['a reserved name', ['node_modules'], /not a valid package name/],
    ['the name of a core module', ['http'], /core module/],
    ['capital letters', ['UPPER'], /'UPPER' cannot name a service: a name has no capital letters;/],
    ['a hidden name', ['.hidden'], /cannot start with a period/],
    ['a name that Kubernetes refuses', ['my_service'], /Kubernetes/],
    ['a name of 64 letters', ['a'.repeat(64)], /at most 63/],
    ['a name that Windows reserves', ['com1'], /Windows/],
    ['a parent that is a file', ['plain/my-service'], /is a file/],
    ['a missing parent below a file', ['plain/apps/my-service'], /is a file/],
    ['a folder in which nobody may create', ['/proc/my-service'], /cannot create \/proc\/my-service/],
    [
      'an unknown package manager',
      ['my-service', '--pm', 'cargo'],
      /--pm must be one of npm, pnpm, yarn, bun, not 'cargo'/,
    ],
    ['a package manager that is not installed', ['my-service', '--pm', 'bun'], /bun is not installed/],
    ['--pm without a value', ['my-service', '--pm'], /--pm/],
    ['an unknown flag', ['my-service', '--fast'], /Unknown option '--fast'/],
    ['a flag of another tool', ['my-service', '--skip-install'], /write --no-install$/m],
    ['the package manager as a flag', ['my-service', '--use-pnpm'], /write --pm pnpm$/m],
    ['a misspelt flag', ['my-service', '--noinstall'], /'--noinstall' \(did you mean --no-install\?\)/],
    ['a value for a flag that takes none', ['my-service', '--yes=1'], /--yes/],
    ['a second directory', ['my-service', 'other'], /second directory/],
    ['--verify without what it needs', ['my-service', '--verify', '--no-install'], /drop one/],
    ['--verify of nothing', ['my-service', '--verify', '--dry-run'], /drop one/],
  ]

  it.concurrent.each(cases)('%s', async (_title, args, what) => {
    const cwd = await temporaryFolder(whole.atEnd)
    await writeFiles(cwd, { 'full/note.txt': 'mine', plain: 'mine', 'service/.mainstem.json': '{}' })
    await writeFiles(cwd, {
      'taken/package.json': 'mine',
      'taken/src/routes.ts': 'mine',
      'taken/LICENSE': 'mine',
    })
    await symlink('nowhere', join(cwd, 'dangling'))
    const before = await treeOf(cwd)
    const plain = await create(cwd, args)
    expect(plain.stderr).toMatch(oneSentence)
    expect(plain.stderr).toMatch(what)
    expect(plain.stdout).toBe('')
    expect(plain.code).toBe(1)
    expect(await treeOf(cwd)).toEqual(before)
  })

  it.each([['My Service!'], ['my-service', '--fast']])('with --json: one object (%j)', async (...args) => {
    const cwd = await temporaryFolder(onTestFinished)
    const ended = await create(cwd, [...args, '--json'])
    expect(`create-mainstem: ${String(objectOf(ended)['error'])}\n`).toBe(ended.stderr)
    expect(ended.code).toBe(1)
    expect(await readdir(cwd)).toEqual([])
  })

  it('no permission to write in the parent', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    await mkdir(join(cwd, 'tmp'))
    await chmod(join(cwd, 'tmp'), 0o777)
    await mkdir(join(cwd, 'closed'))
    await chmod(join(cwd, 'closed'), 0o555)
    // Root may write anywhere, so the test runs the command as nobody, who owns neither directory.
    const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
    const env = cleanEnvironment(home, { TMPDIR: join(cwd, 'tmp') })
    const line = await commandLineFor(nobody, onTestFinished)
    for (const flags of [[], ['--dry-run']]) {
      const ended = await run([...line, 'closed/my-service', ...flags], { cwd, env, ...nobody })
      expect(ended.stderr).toMatch(oneSentence)
      expect(ended.stderr).toMatch(/no permission to write/)
      expect(ended.code).toBe(1)
    }
    expect(await readdir(join(cwd, 'closed'))).toEqual([])
  })
})

describe('what is written', () => {
  let cwd: string
  let made: Ended
  let tree: Record<string, string>
  beforeAll(async () => {
    cwd = await temporaryFolder(whole.atEnd)
    made = await create(cwd, ['my-service', '--no-install', '--no-git', '--json'])
    tree = await treeOf(join(cwd, 'my-service'))
  })

  it('--json prints one object that names every file', () => {
    expect(made.code).toBe(0)
    expect(objectOf(made)).toEqual({
      name: 'my-service',
      directory: join(cwd, 'my-service'),
      files: Object.keys(tree).sort(),
      packageManager: 'npm',
      installed: false,
      git: false,
      repeat: 'npm create mainstem@latest my-service -- --yes --no-install --no-git --json',
    })
  })

  it('is whole: its own name, its dotfiles, the example under its noun, no placeholder and no path of the clone', async () => {
    const files = Object.keys(tree)
    expect(files).toEqual(
      expect.arrayContaining(['.gitattributes', '.gitignore', 'package.json', 'src/routes.ts']),
    )
    expect(files).not.toContain('gitignore')
    expect(files.filter((file) => file.startsWith('src/documents/'))).not.toEqual([])
    expect(files.filter((file) => /widget/.test(file) && !file.startsWith('generators/'))).toEqual([])
    for (const file of files) {
      const text = await readFile(join(cwd, 'my-service', file), 'utf8')
      expect(text.includes('mainstem-service'), `${file} holds the placeholder`).toBe(false)
      expect(text.includes(repository), `${file} names the clone`).toBe(false)
      expect(text.includes('\r'), `${file} has CR`).toBe(false)
      if (file.startsWith('src/')) expect(text, file).not.toMatch(/widget/i)
    }
    expect(JSON.parse(await readFile(join(cwd, 'my-service/package.json'), 'utf8'))).toMatchObject({
      name: 'my-service',
    })
    // No temporary folder is left beside it.
    expect(await readdir(cwd)).toEqual(['my-service'])
  })

  it('is the same in any locale, time zone and place, and when the printed command repeats the run', async () => {
    const elsewhere = join(await temporaryFolder(onTestFinished), 'ein anderer Ort')
    await mkdir(elsewhere)
    const flags = String(objectOf(made)['repeat']).split(' -- ')[1]?.split(' ') ?? []
    expect(flags).toContain('--yes')
    const again = await create(elsewhere, ['my-service', ...flags], {
      LC_ALL: 'tr_TR.UTF-8',
      TZ: 'Asia/Kathmandu',
    })
    expect(again.code).toBe(0)
    expect(await treeOf(join(elsewhere, 'my-service'))).toEqual(tree)
    expect({ ...objectOf(again), directory: '' }).toEqual({ ...objectOf(made), directory: '' })
  })

  it('--dry-run names the same files and writes none', async () => {
    const empty = await temporaryFolder(onTestFinished)
    const json = await create(empty, ['my-service', '--dry-run', '--json'])
    expect(objectOf(json)).toMatchObject({
      files: objectOf(made)['files'],
      dryRun: true,
      installed: false,
      git: false,
    })
    const plain = await create(empty, ['my-service', '--dry-run', '--no-git'])
    expect(plain.stdout.split('\n').slice(0, Object.keys(tree).length)).toEqual(objectOf(made)['files'])
    expect(lastLine(plain.stdout)).toBe('npm create mainstem@latest my-service -- --yes --no-git --dry-run')
    expect(plain.code).toBe(0)
    expect(await readdir(empty)).toEqual([])
  })

  it('--no-example writes only the skeleton', async () => {
    const empty = await temporaryFolder(onTestFinished)
    const ended = await create(empty, ['my-service', '--no-install', '--no-git', '--no-example'])
    expect(ended.code).toBe(0)
    const skeleton = await treeOf(join(empty, 'my-service'))
    expect(Object.keys(skeleton).filter((file) => /document/.test(file))).toEqual([])
    expect(skeleton['src/main.ts']).toBe(tree['src/main.ts'])
    expect(skeleton['src/routes.ts']).not.toBe(tree['src/routes.ts'])
  })

  it('a name may hold the placeholder of a noun', async () => {
    const empty = await temporaryFolder(onTestFinished)
    await create(empty, ['widget-shop', '--no-install', '--no-git'])
    const manifest: unknown = JSON.parse(await readFile(join(empty, 'widget-shop/package.json'), 'utf8'))
    expect(manifest).toMatchObject({ name: 'widget-shop' })
  })

  it('goes to any directory: ../my-service, an absolute path, and . where that is empty', async () => {
    const base = await temporaryFolder(onTestFinished)
    await mkdir(join(base, 'inner'))
    await mkdir(join(base, 'dotted'))
    const flags = ['--no-install', '--no-git']
    expect((await create(join(base, 'inner'), ['../my-service', ...flags])).code).toBe(0)
    expect((await create(base, [join(base, 'inner/my-service'), ...flags])).code).toBe(0)
    const dotted = await create(join(base, 'dotted'), ['.', ...flags])
    expect(dotted.code).toBe(0)
    expect(await treeOf(join(base, 'my-service'))).toEqual(tree)
    expect(await treeOf(join(base, 'inner/my-service'))).toEqual(tree)
    expect(Object.keys(await treeOf(join(base, 'dotted')))).toEqual(Object.keys(tree))
  })

  it("goes into a new repository of GitHub's: its files stay, and are listed", async () => {
    const base = await temporaryFolder(onTestFinished)
    const target = join(base, 'my-service')
    const theirs = {
      'README.md': '# my-service\n\nWhat it is for.',
      LICENSE: 'MIT',
      '.gitignore': 'node_modules/\nlogs\ndrizzle\n',
    }
    await writeFiles(target, theirs)
    await git(target, 'init', '--quiet')
    const ended = await create(base, ['my-service', '--no-install'])
    expect(ended.code, ended.stderr).toBe(0)
    expect(ended.stdout).toMatch(
      /^Kept: \.gitignore \(\d+ lines added below\), README\.md \(the service's page added below\), LICENSE$/m,
    )
    expect(ended.stdout).toMatch(/^git: the directory is a repository: commit the service there$/m)
    const made = await treeOf(target)
    expect({ ...made, 'README.md': '', '.gitignore': '' }).toEqual({
      ...tree,
      LICENSE: made['LICENSE'],
      'README.md': '',
      '.gitignore': '',
    })
    expect(await readFile(join(target, 'LICENSE'), 'utf8')).toBe('MIT')
    const readme = await readFile(join(target, 'README.md'), 'utf8')
    expect(readme.startsWith(`${theirs['README.md']}\n\n## my-service\n`)).toBe(true)
    // One title, although comments of shell scripts begin with # too.
    expect(readme.replace(/^```[^]*?^```/gm, '').match(/^# .*/gm)).toEqual(['# my-service'])
    expect(readme).toContain('\n### Try it\n')
    const ignored = (await readFile(join(target, '.gitignore'), 'utf8')).split('\n')
    expect(ignored.slice(0, 3)).toEqual(['node_modules/', 'logs', 'drizzle'])
    expect(ignored.filter((line) => line === 'node_modules/')).toHaveLength(1)
    // The appended lines win.
    expect(await git(target, 'status', '--porcelain', 'drizzle')).toBe('?? drizzle/\n')

    // The second run finds equal files, which do not count as replaced.
    const again = await create(base, ['my-service', '--no-install', '--force', '--json'])
    expect(objectOf(again)).not.toHaveProperty('replaced')
    expect(await treeOf(target)).toEqual(made)
  })

  it('makes the directories above it, and removes them again when it fails', async () => {
    const base = await temporaryFolder(onTestFinished)
    const made = await create(base, ['apps/api/my-service', '--no-install', '--no-git'])
    expect(made.code, made.stderr).toBe(0)
    expect(await treeOf(join(base, 'apps/api/my-service'))).toEqual(tree)
    const npm = await hangingNpm(onTestFinished)
    const env = cleanEnvironment(home, pathWith(npm))
    const command = start([...commandLine, 'services/one/my-service'], { cwd: base, env })
    await eventually('npm to hang', () => pidIn(join(base, 'services/one/my-service/pid')))
    command.child.kill('SIGTERM')
    expect((await command.ended).code).toBe(143)
    expect(await readdir(base)).toEqual(['apps'])
  })

  it('--force replaces files of the same name and nothing else, and names them', async () => {
    const base = await temporaryFolder(onTestFinished)
    const target = join(base, 'my-service')
    await writeFiles(target, {
      'package.json': 'mine',
      'src/routes.ts': 'mine',
      'src/mine.ts': 'mine',
      'notes/a.txt': 'mine',
    })
    const mine = await treeOf(target)
    const ended = await create(base, ['my-service', '--force', '--no-install', '--no-git'])
    expect(ended.code).toBe(0)
    expect(ended.stdout).toMatch(/^Replaced: package\.json, src\/routes\.ts$/m)
    expect(await treeOf(target)).toEqual({
      ...tree,
      'src/mine.ts': mine['src/mine.ts'],
      'notes/a.txt': mine['notes/a.txt'],
    })
  })

  it('--force refuses to replace a folder and to write below a file or a link, and changes nothing', async () => {
    const base = await temporaryFolder(onTestFinished)
    await mkdir(join(base, 'elsewhere'))
    await writeFiles(join(base, 'folder-service'), { 'package.json/mine.txt': 'mine' })
    await writeFiles(join(base, 'file-service'), { src: 'mine' })
    await mkdir(join(base, 'link-service'))
    await symlink('../elsewhere', join(base, 'link-service/src'))
    const before = await treeOf(base)
    for (const [name, what] of [
      ['folder-service', /package.json is a folder/],
      ['file-service', /src is a file/],
      ['link-service', /src is a link/],
    ] as const) {
      const ended = await create(base, [name, '--force', '--no-install', '--no-git'])
      expect(ended.stderr).toMatch(oneSentence)
      expect(ended.stderr).toMatch(what)
      expect(ended.code).toBe(1)
    }
    expect(await treeOf(base)).toEqual(before)
  })
})

describe('a path in which a part of a service cannot run', () => {
  const url = 'npm test cannot run in such a path, since Vite reads it as a URL'
  const shell =
    'npm run dev and npm test cannot start PostgreSQL in such a path, since its initdb hands it to a shell'

  it.each([
    ['#', url, '# % ?'],
    ['%', url, '# % ?'],
    ['?', url, '# % ?'],
    ['$', shell, '$ " `'],
    ['"', shell, '$ " `'],
    ['`', shell, '$ " `'],
  ])(
    'with %s is reported in one sentence before anything is written',
    async (character, consequence, without) => {
      const cwd = join(await temporaryFolder(onTestFinished), `c${character}`)
      await mkdir(cwd)
      const ended = await create(cwd, ['my-service', '--dry-run'])
      expect(ended.stdout.split('\n')[0]).toBe(
        `'${character}' in ${join(cwd, 'my-service')}: ${consequence}; move the service to a path without ${without}`,
      )
      expect(ended.code).toBe(0)
    },
  )

  it('creates the service anyway, and --json prints the sentence to stderr', async () => {
    const cwd = join(await temporaryFolder(onTestFinished), 'c#')
    await mkdir(cwd)
    const json = await create(cwd, ['my-service', '--no-install', '--no-git', '--json'])
    expect(json.stderr).toContain(url)
    expect(objectOf(json)).toMatchObject({ name: 'my-service' })
    expect(await exists(join(cwd, 'my-service/package.json'))).toBe(true)
  })

  it.each([':', '\\', '*', '\n', '\r', '\t'])('with %j is refused: nothing runs there', async (character) => {
    const cwd = join(await temporaryFolder(onTestFinished), `c${character}`)
    await mkdir(cwd)
    const ended = await create(cwd, ['my-service', '--no-install', '--no-git'])
    expect(ended.stderr).toMatch(oneSentence)
    expect(ended.stderr).toContain("cannot find the service's programs in a path with")
    expect(ended.code).toBe(1)
    expect(await readdir(cwd)).toEqual([])
  })

  it('with a space is quoted in every line that is printed to be run', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    await mkdir(join(cwd, "two o'words"))
    const ended = await create(cwd, ["two o'words/my-service", '--no-install', '--no-git'])
    const lines = ended.stdout.split('\n')
    expect(lines).toContain("  cd 'two o'\\''words/my-service'")
    expect(ended.code).toBe(0)
  })
})

describe('git', () => {
  it('is one commit of everything, and a clean tree', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    const npm = await fakeProgram(
      onTestFinished,
      'npm',
      'mkdir -p node_modules/x && echo {} > package-lock.json && touch node_modules/x/y',
    )
    const ended = await create(cwd, ['my-service', '--json'], pathWith(npm))
    expect(objectOf(ended)).toMatchObject({ installed: true, git: true })
    const service = join(cwd, 'my-service')
    expect(await git(service, 'log', '--format=%an %s %D')).toMatch(
      /^A Tester Create my-service with create-mainstem \d+\.\d+\.\d+ HEAD -> main\n$/,
    )
    expect(await git(service, 'status', '--porcelain')).toBe('')
    expect((await git(service, 'ls-files')).trimEnd().split('\n').sort()).toEqual(
      Object.keys(await treeOf(service)).sort(),
    )
    expect(await git(service, 'ls-files', 'package-lock.json')).toBe('package-lock.json\n')
  })

  it('is one commit and a clean tree under --force, with what was there and without what was replaced', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    const service = join(cwd, 'my-service')
    await writeFiles(service, { 'package.json': 'mine', 'notes.txt': 'mine' })
    const ended = await create(cwd, ['my-service', '--force', '--no-install', '--json'])
    expect(objectOf(ended)).toMatchObject({ git: true })
    expect(await git(service, 'status', '--porcelain')).toBe('')
    const tracked = (await git(service, 'ls-files')).trimEnd().split('\n')
    expect(tracked.sort()).toEqual(Object.keys(await treeOf(service)).sort())
    expect(tracked).toContain('notes.txt')
  })

  it("holds the plan and the lock file even if the user's git ignores them, and no other ignored file", async () => {
    const cwd = await temporaryFolder(onTestFinished)
    const service = join(cwd, 'my-service')
    await writeFiles(service, { '.DS_Store': 'mine', 'dist/old.js': 'mine', '.env.local': 'a secret' })
    const own = await homeFolder(onTestFinished)
    await writeFiles(own, {
      ignore: '*.sql\n.env*\ndist\nscripts/\n*lock*\n.DS_Store\n.git*\n',
      'template/info/exclude': 'docs/\n*.test.ts\n',
      '.gitconfig': `[user]\nname = A\nemail = a@example.com\n[core]\nexcludesFile = ${own}/ignore\n[init]\ntemplateDir = ${own}/template\n`,
    })
    const npm = await fakeProgram(onTestFinished, 'npm', 'echo {} > package-lock.json')
    const ended = await create(cwd, ['my-service', '--force', '--json'], { HOME: own, ...pathWith(npm) })
    const made = objectOf(ended)
    expect(made).toMatchObject({ git: true })
    const tracked = (await git(service, 'ls-files')).trimEnd().split('\n')
    expect(tracked.sort()).toEqual([...(made['files'] as string[]), 'package-lock.json'].sort())
    // Files made later are part of the service, too.
    await writeFiles(service, {
      'drizzle/0001_next.sql': 'select 1',
      'drizzle/meta/0001_snapshot.json': '{}',
      'src/coverage/coverage.routes.ts': 'export {}',
      'coverage/index.html': '',
    })
    const { stdout } = await run(['git', 'status', '--porcelain', '--untracked-files=all'], {
      cwd: service,
      env: cleanEnvironment(own),
    })
    const added = stdout.split('\n').flatMap((line) => (line === '' ? [] : [line.slice(3)]))
    expect(added).toEqual([
      'drizzle/0001_next.sql',
      'drizzle/meta/0001_snapshot.json',
      'src/coverage/coverage.routes.ts',
    ])
  })

  it('keeps every line ending as it is, on a machine whose git changes them', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    const own = await homeFolder(onTestFinished)
    await writeFile(
      join(own, '.gitconfig'),
      '[user]\nname = A\nemail = a@example.com\n[core]\nautocrlf = true\nsafecrlf = true\n',
    )
    const ended = await create(cwd, ['my-service', '--no-install', '--json'], { HOME: own })
    expect(objectOf(ended)).toMatchObject({ git: true })
    const clone = await run(['git', 'clone', '--quiet', 'my-service', 'clone'], {
      cwd,
      env: cleanEnvironment(own),
    })
    expect(clone.code, clone.stderr).toBe(0)
    expect(await treeOf(join(cwd, 'clone'))).toEqual(await treeOf(join(cwd, 'my-service')))
  })

  it('is left alone inside another repository', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    await git(cwd, 'init', '--quiet')
    const ended = await create(cwd, ['my-service', '--no-install'])
    expect(ended.code).toBe(0)
    expect(ended.stdout).toMatch(/git: inside the repository/)
    expect(await exists(join(cwd, 'my-service/.git'))).toBe(false)
    expect(await git(cwd, 'status', '--porcelain')).toBe('?? my-service/\n')
  })

  it('is left alone inside another repository, and a note names the files that it ignores', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    await git(cwd, 'init', '--quiet')
    await writeFiles(cwd, { '.gitignore': 'docs/\n*.sql\nops/\n' })
    const ended = await create(cwd, ['my-service', '--no-install'])
    expect(ended.stdout).toMatch(
      /git: inside the repository .*: commit the service there, with git add --force for \d+ files that it ignores \(docs\/generators\.md, docs\/guarantees\.md, docs\/hono\.md …\)\n/,
    )
    // The service's own .gitignore comes before that of the folder around it.
    expect(ended.stdout).not.toContain('.sql')
  })

  it('is not the repository whose hook calls the command', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    const other = await temporaryFolder(onTestFinished)
    await git(other, 'init', '--quiet')
    const before = await readdir(join(other, '.git'))
    const calling = { GIT_DIR: join(other, '.git'), GIT_INDEX_FILE: join(other, '.git/index') }
    const ended = await create(cwd, ['my-service', '--no-install', '--json'], calling)
    expect(objectOf(ended)).toMatchObject({ git: true })
    expect(await git(join(cwd, 'my-service'), 'status', '--porcelain')).toBe('')
    expect(await readdir(join(other, '.git'))).toEqual(before)
  })

  it('without an identity is a note, and the creation goes on', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    // Git would make up an author, named after the user, from an address without a name.
    const nobody = { HOME: await homeFolder(onTestFinished, false), EMAIL: 'root@example.com' }
    const ended = await create(cwd, ['my-service', '--no-install', '--json'], nobody)
    expect(ended.code).toBe(0)
    expect(ended.stderr).toMatch(/git has no user.name or user.email/)
    expect(objectOf(ended)).toMatchObject({ git: false })
    expect(await exists(join(cwd, 'my-service/package.json'))).toBe(true)
  })

  it('that cannot sign does not fail the creation, and says why', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    const signing = await homeFolder(onTestFinished)
    const config =
      '[user]\nname = A\nemail = a@example.com\n[commit]\ngpgsign = true\n[gpg]\nprogram = false\n'
    await writeFile(join(signing, '.gitconfig'), config)
    const ended = await create(cwd, ['my-service', '--no-install', '--json'], { HOME: signing })
    expect(ended.code).toBe(0)
    expect(ended.stderr).toMatch(/git commit failed \(gpg failed to sign the data/)
    expect(objectOf(ended)).toMatchObject({ git: false })
  })

  it('whose hook refuses does not fail the creation', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    const hooks = await fakeProgram(onTestFinished, 'pre-commit', 'echo not today >&2; exit 1')
    const picky = await homeFolder(onTestFinished)
    await writeFile(
      join(picky, '.gitconfig'),
      `[user]\nname = A\nemail = a@example.com\n[core]\nhooksPath = ${hooks}\n`,
    )
    const ended = await create(cwd, ['my-service', '--no-install', '--json'], { HOME: picky })
    expect(ended.code).toBe(0)
    expect(ended.stderr).toMatch(/git commit failed \(not today\)/)
    expect(objectOf(ended)).toMatchObject({ git: false })
  })

  it('that is not installed is a note, and does not fail the creation', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    const empty = await temporaryFolder(onTestFinished)
    const ended = await create(cwd, ['my-service', '--no-install', '--json'], { PATH: empty })
    expect(ended.code).toBe(0)
    expect(ended.stderr).toMatch(/git is not installed/)
    expect(objectOf(ended)).toMatchObject({ git: false })
  })
})

describe("settings of the user's that leave something out of an install", () => {
  it.each([
    [
      ...['omit[]=dev', 'omit[]=optional', 'omit[]=peer', 'production=true', 'package-lock-only=true'],
      ...['save=false', 'dry-run=true', 'bin-links=false', 'global=true', 'workspaces=true'],
    ],
    // Some of the others would restore the lock file.
    ['package-lock=false'],
  ])('are overruled: %s', async (...npmrc) => {
    const cwd = await temporaryFolder(onTestFinished)
    const own = await homeFolder(onTestFinished)
    await writeFiles(own, { '.npmrc': npmrc.join('\n') })
    // Runs npm with the command's flags and the npmrc on a package that needs no registry.
    const real = await run(['sh', '-c', 'command -v npm'], { cwd, env: cleanEnvironment(own) })
    await writeFiles(cwd, {
      'tool/package.json':
        '{"name":"tool","version":"1.0.0","bin":"tool.js","peerDependencies":{"peer":"*"}}',
      'tool/tool.js': '#!/usr/bin/env node\n',
      'peer/package.json': '{"name":"peer","version":"1.0.0"}',
    })
    const small = `{"name":"small","devDependencies":{"tool":"file:${cwd}/tool"},"optionalDependencies":{"peer":"file:${cwd}/peer"}}`
    const npm = await fakeProgram(
      onTestFinished,
      'npm',
      `echo '${small}' > package.json; exec ${real.stdout.trim()} "$@" --offline`,
    )
    const ended = await create(cwd, ['my-service', '--no-git', '--json'], {
      HOME: own,
      npm_config_prefix: join(own, 'global'),
      NODE_ENV: 'production',
      ...pathWith(npm),
    })
    expect(objectOf(ended), ended.stderr).toMatchObject({ installed: true })
    for (const path of [
      'node_modules/tool',
      'node_modules/peer',
      'node_modules/.bin/tool',
      'package-lock.json',
    ])
      expect(await exists(join(cwd, 'my-service', path)), path).toBe(true)
  })

  it('are those of a project of its own for Yarn, also below a package.json', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    const script = '[ "$1" = --version ] && echo 4.9.2 && exit\ntest -f yarn.lock && mkdir node_modules'
    const yarn = await fakeProgram(onTestFinished, 'yarn', script)
    const ended = await create(cwd, ['my-service', '--pm', 'yarn', '--no-git'], pathWith(yarn))
    expect(ended.stderr).toMatch(/yarn install left out \d+ of \d+ dependencies/)
  })

  it('are reported if no flag of the package manager overrules them, and the service stays', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    for (const [script, what] of [
      [
        'mkdir -p node_modules; touch bun.lock',
        /bun install left out \d+ of \d+ dependencies \(.*its settings ask; the service is complete without/,
      ],
      ['mkdir -p node_modules', /bun install left out the lock file/],
    ] as const) {
      const bun = await fakeProgram(
        onTestFinished,
        'bun',
        `[ "$1" = --version ] && echo 1.4.5 && exit\n${script}`,
      )
      const name = script.includes('lock') ? 'my-service' : 'other-service'
      const ended = await create(cwd, [name, '--pm', 'bun', '--no-git'], pathWith(bun))
      expect(ended.stderr).toMatch(what)
      expect(ended.code).toBe(1)
      expect(await exists(join(cwd, name, 'bun.lock'))).toBe(script.includes('lock'))
      expect(await exists(join(cwd, name, 'src/main.ts'))).toBe(true)
    }
  })
})

describe('an install that fails leaves the service, which is complete', () => {
  it('and reports a full disk', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    const npm = await fakeProgram(onTestFinished, 'npm', 'echo npm error code ENOSPC >&2; exit 1')
    const { stderr } = await create(cwd, ['my-service', '--no-git'], pathWith(npm))
    expect(lastLine(stderr)).toContain('npm install failed (no space is left on the disk); the service is')
  })

  it('and reports what failed and how to continue: without a network', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    const script = 'mkdir node_modules; echo npm error code ENOTFOUND >&2; exit 1'
    const npm = await fakeProgram(onTestFinished, 'npm', script)
    const ended = await create(cwd, ['my-service', '--verify'], pathWith(npm))
    expect(ended.code).toBe(1)
    expect(ended.stderr).toMatch(/^npm error code ENOTFOUND$/m)
    expect(lastLine(ended.stderr)).toBe(
      'create-mainstem: npm install failed (the registry cannot be reached, ENOTFOUND); the service is complete ' +
        'without its dependencies: fix that, then run cd my-service && npm install',
    )
    expect(ended.stdout).toMatch(/^ {2}npm install$/m)
    const service = join(cwd, 'my-service')
    expect(await git(service, 'log', '--format=%s')).toMatch(/^Create my-service/)
    expect(await git(service, 'status', '--porcelain')).toBe('')
    const json = await create(cwd, ['other-service', '--no-git', '--json'], pathWith(npm))
    expect(objectOf(json)).toMatchObject({
      installed: false,
      error: expect.stringMatching(/^npm install failed .* run cd other-service && npm install$/) as string,
    })
    expect(await treeOf(join(cwd, 'other-service'))).toHaveProperty('src/main.ts')
  })

  it('next to the files of the directory', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    const npm = await fakeProgram(onTestFinished, 'npm', 'mkdir node_modules; exit 1')
    await writeFiles(cwd, { 'my-service/README.md': 'mine', 'my-service/.git/HEAD': '' })
    const ended = await create(cwd, ['my-service', '--no-git'], pathWith(npm))
    expect(ended.code).toBe(1)
    expect(await readFile(join(cwd, 'my-service/README.md'), 'utf8')).toMatch(/^mine\n\n# my-service\n/)
    expect((await readdir(join(cwd, 'my-service'))).filter((name) => name.startsWith('.my-service'))).toEqual(
      [],
    )
  })
})

describe('a signal leaves nothing', () => {
  it.each([
    ['SIGINT', 130, ['my-service']],
    ['SIGTERM', 143, ['my-service']],
    ['SIGINT', 130, ['my-service', '--force']],
  ] as const)('%s in the middle of an install, exit %i: %j', async (signal, code, args) => {
    const cwd = await temporaryFolder(onTestFinished)
    if (args.length > 1) await writeFiles(cwd, { 'my-service/package.json': 'mine' })
    const before = await treeOf(cwd)
    const npm = await hangingNpm(onTestFinished)
    const command = start([...commandLine, ...args], { cwd, env: cleanEnvironment(home, pathWith(npm)) })
    const grandchild = await eventually('npm to hang', () => pidIn(join(cwd, 'my-service/pid')))
    expect(isAlive(grandchild)).toBe(true)
    command.child.kill(signal)
    await eventually('npm to be told', async () =>
      (await exists(join(cwd, 'my-service/told'))) ? true : undefined,
    )
    // An impatient user repeats the signal; it must not cut the clean-up short.
    command.child.kill(signal)
    const ended = await command.ended
    expect(ended.stderr).toMatch(
      new RegExp(`^create-mainstem: stopped by ${signal}, nothing was left behind\n$`),
    )
    expect(ended.code).toBe(code)
    expect(await treeOf(cwd)).toEqual(before)
    await eventually('what npm started to end', () => (isAlive(grandchild) ? undefined : true))
  })
})

/** An npm that starts a child, writes the child's pid, never ends by itself, and is slow to end after a signal. */
function hangingNpm(atEnd: AtEnd): Promise<string> {
  const script = `trap 'touch told; sleep 0.5; exit 143' TERM
    mkdir -p node_modules
    sleep 300 &
    echo $! > pid.new && mv pid.new pid
    wait`
  return fakeProgram(atEnd, 'npm', script)
}

async function pidIn(file: string): Promise<number | undefined> {
  return (await exists(file)) ? Number(await readFile(file, 'utf8')) : undefined
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('a reader that ends early', () => {
  it.each([['my-service'], ['my-service', '--json']])(
    '%j … | head -1: the service is made, and no stack is printed',
    async (...args) => {
      const cwd = await temporaryFolder(onTestFinished)
      const npm = await fakeProgram(onTestFinished, 'npm', 'sleep 0.5; echo {} > package-lock.json')
      const line = [...commandLine, ...args].map((word) => `'${word}'`).join(' ')
      const env = cleanEnvironment(home, pathWith(npm))
      const ended = await run(['bash', '-c', `set -o pipefail; ${line} 2>&1 | head -1`], { cwd, env })
      expect(ended).toEqual({ code: 0, stdout: expect.stringMatching(/^[^\n]+\n$/) as string, stderr: '' })
      expect(await git(join(cwd, 'my-service'), 'status', '--porcelain')).toBe('')
      expect(await exists(join(cwd, 'my-service/package-lock.json'))).toBe(true)
    },
  )
})

describe('package managers', () => {
  it('Yarn 1 is refused in one sentence, however the command was started', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    const yarn = await fakeProgram(onTestFinished, 'yarn', 'echo 1.22.22')
    const agent = { npm_config_user_agent: 'yarn/1.22.22 npm/? node/v20.20.2 linux x64' }
    for (const ended of [
      await create(cwd, ['my-service', '--pm', 'yarn', '--no-install'], pathWith(yarn)),
      await create(cwd, ['my-service'], { ...pathWith(yarn), ...agent }),
    ]) {
      expect(ended.stderr).toMatch(oneSentence)
      expect(ended.stderr).toMatch(/Yarn 1\.22\.22 is too old: a service needs Yarn 4 or later/)
      expect(ended.code).toBe(1)
    }
    expect(await readdir(cwd)).toEqual([])
  })

  it.each([
    ['pnpm', '10.34.9', 'pnpm@10.34.9'],
    ['yarn', '4.9.2', '@yarnpkg/cli-dist@4.9.2'],
    ['bun', '1.3.1', 'oven/bun:1.3.1'],
  ])('%s %s is the one that the files name', async (manager, version, inTheImage) => {
    const cwd = await temporaryFolder(onTestFinished)
    const program = await fakeProgram(onTestFinished, manager, `echo ${version}`)
    const flags = ['--pm', manager, '--no-install', '--no-git']
    const ended = await create(cwd, ['my-service', ...flags], pathWith(program))
    expect(ended.code, ended.stderr).toBe(0)
    const read = (path: string) => readFile(join(cwd, 'my-service', path), 'utf8')
    expect(JSON.parse(await read('package.json'))).toMatchObject({ packageManager: `${manager}@${version}` })
    expect(await read('Dockerfile')).toContain(inTheImage)
    expect(ended.stdout).toMatch(new RegExp(`^ {2}${manager} run dev$`, 'm'))
  })
})

describe('--verify', () => {
  const script = (steps: string, code: number): string =>
    `case "$*" in *verify*) echo '> some banner'; echo '${steps}'; exit ${code};; esac`

  it('prints a receipt', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    const steps =
      '{"ok":true,"steps":[{"name":"upload","ok":true,"ms":12.4,"detail":"201, the same sha256"}]}'
    const npm = await fakeProgram(onTestFinished, 'npm', script(steps, 0))
    const plain = await create(cwd, ['my-service', '--verify', '--no-git'], pathWith(npm))
    expect(plain.stdout).toMatch(
      /ok +types +\d+ ms {2}tsc found no error\n +ok +upload +12 ms {2}201, the same sha256\n/,
    )
    expect(lastLine(plain.stdout)).toBe('npm create mainstem@latest my-service -- --yes --no-git --verify')
    expect(plain.code).toBe(0)
    const json = await create(cwd, ['other-service', '--verify', '--no-git', '--json'], pathWith(npm))
    expect(objectOf(json)).toMatchObject({
      installed: true,
      verify: {
        ok: true,
        steps: [
          { name: 'types', ok: true },
          { name: 'upload', ok: true, ms: 12.4 },
        ],
      },
    })
  })

  it.each([
    [
      'a step that failed',
      '{"ok":false,"steps":[{"name":"upload","ok":false,"ms":1,"detail":"500"}]}',
      1,
      /FAILED +upload +1 ms {2}500/,
    ],
    ['no answer', 'Error: broken', 1, /FAILED +verify .*some banner\n +Error: broken/],
  ])('exits 1 on %s, and leaves the service', async (_title, printed, code, what) => {
    const cwd = await temporaryFolder(onTestFinished)
    const npm = await fakeProgram(onTestFinished, 'npm', script(printed, code))
    const ended = await create(cwd, ['my-service', '--verify', '--no-git'], pathWith(npm))
    expect(ended.stdout).toMatch(what)
    expect(ended.stderr).toMatch(/failed its verification; it is in .*my-service/)
    expect(ended.code).toBe(1)
    expect(await exists(join(cwd, 'my-service/package.json'))).toBe(true)
  })
})

describe('flags that npm takes for itself', () => {
  /** A folder in which the real `npm create mainstem` finds the command of this clone. */
  async function installedHere(atEnd: AtEnd): Promise<string> {
    const cwd = await temporaryFolder(atEnd)
    const line = commandLine.map((word) => `'${word}'`).join(' ')
    await writeFiles(cwd, {
      'package.json': '{"name":"caller","version":"1.0.0"}',
      'node_modules/create-mainstem/package.json':
        '{"name":"create-mainstem","version":"1.0.0","bin":{"create-mainstem":"bin.sh"}}',
      'node_modules/create-mainstem/bin.sh': `#!/bin/sh\nexec ${line} "$@"\n`,
    })
    await chmod(join(cwd, 'node_modules/create-mainstem/bin.sh'), 0o755)
    await mkdir(join(cwd, 'node_modules/.bin'))
    await symlink('../create-mainstem/bin.sh', join(cwd, 'node_modules/.bin/create-mainstem'))
    return cwd
  }

  it.each([
    [['--no-install'], '--no-install'],
    [
      ['--json', '--pm', 'pnpm', '--no-git', '--no-example', '--force', '--dry-run', '--verify', '--yes'],
      '--yes --no-git --no-example --pm pnpm --verify --dry-run --json --force',
    ],
  ])('npm create mainstem my-service %j', async (flags, line) => {
    const cwd = await installedHere(onTestFinished)
    const ended = await run(['npm', 'create', 'mainstem', 'my-service', ...flags], {
      cwd,
      env: cleanEnvironment(home),
    })
    expect(ended.stderr).toContain(
      `so nothing was written: run npm create mainstem@latest my-service -- ${line}\n`,
    )
    expect(ended.code).toBe(1)
    expect(await exists(join(cwd, 'my-service'))).toBe(false)
  })

  it('npm run create, in the clone', async () => {
    const target = join(await temporaryFolder(onTestFinished), 'my-service')
    const eaten = await run(['npm', 'run', 'create', target, '--no-git', '--no-install'], {
      cwd: repository,
      env: cleanEnvironment(home),
    })
    expect(eaten.stderr).toContain(`run npm run create -- ${target} --no-install --no-git\n`)
    expect(eaten.code).toBe(1)
    expect(await exists(target)).toBe(false)
    const given = await run(['npm', 'run', 'create', '--', target, '--no-git', '--no-install'], {
      cwd: repository,
      env: cleanEnvironment(home),
    })
    expect(lastLine(given.stdout)).toBe(`npm run create -- ${target} --yes --no-install --no-git`)
    expect(given.code).toBe(0)
  })

  it('are not reported if an npmrc sets the same', async () => {
    const cwd = await installedHere(onTestFinished)
    const own = await homeFolder(onTestFinished)
    await writeFile(join(own, '.npmrc'), 'force=true\njson=true\n')
    const ended = await run(['npm', 'create', 'mainstem', 'my-service', '--', '--no-install', '--no-git'], {
      cwd,
      env: cleanEnvironment(own),
    })
    expect(ended.stderr).not.toMatch(/for itself/)
    expect(ended.code).toBe(0)
  })
})

describe('in a terminal', () => {
  /** The command in its own terminal (made by `script` of util-linux), which a test reads and types into. */
  function terminal(cwd: string, args: readonly string[], extra: NodeJS.ProcessEnv = {}) {
    const line = [...commandLine, ...args].map((word) => `'${word}'`).join(' ')
    const env = cleanEnvironment(home, { TERM: 'xterm', ...extra })
    // Without a size the terminal has no columns, and prompts wrap after every letter.
    const { child, seen, ended } = start(
      ['script', '--quiet', '--return', '--command', `stty cols 100 rows 40; exec ${line}`, '/dev/null'],
      {
        cwd,
        env,
      },
    )
    let read = 0
    return {
      ended,
      /** Waits until the terminal shows `text`, after the text of the last call. */
      async shows(text: string): Promise<void> {
        await eventually(`the terminal to show '${text}'`, () => {
          const at = seen.stdout.indexOf(text, read)
          if (at < 0) return undefined
          read = at + text.length
          return true
        })
      },
      type(keys: string): void {
        child.stdin.write(keys)
      },
    }
  }

  it('the command asks for every choice without a flag, and shows the line that repeats the run', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    const screen = terminal(cwd, ['--no-git'])
    await screen.shows('In which directory?')
    screen.type('My Service!\r')
    await screen.shows('cannot name a service')
    screen.type('\b'.repeat(11) + 'asked-service\r')
    await screen.shows('Include the example')
    screen.type('n')
    await screen.shows('Install')
    screen.type('n')
    await screen.shows('package manager')
    for (const name of packageManagers)
      await screen.shows(findOnPath(name, process.env) === undefined ? `${name} (not installed)` : name)
    screen.type('\r')
    await screen.shows('Next:')
    const ended = await screen.ended
    expect(lastLine(ended.stdout)).toBe(
      'npm create mainstem@latest asked-service -- --yes --no-install --no-git --no-example',
    )
    expect(ended.code).toBe(0)
    expect(await readdir(cwd)).toEqual(['asked-service'])
  })

  it('Enter takes the directory that the question shows', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    const screen = terminal(cwd, ['--no-install', '--no-git', '--no-example', '--pm', 'npm'])
    await screen.shows('In which directory?')
    screen.type('\r')
    await screen.shows('Next:')
    expect((await screen.ended).code).toBe(0)
    expect(await readdir(cwd)).toEqual(['my-service'])
  })

  it('inside a repository the command does not offer to create one, and tells the user to commit there', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    await git(cwd, 'init', '--quiet')
    const flags = ['apps/my-service', '--no-install', '--no-example', '--pm', 'npm']
    const ended = await terminal(cwd, flags).ended
    expect(ended.stdout).not.toMatch(/\?/)
    expect(ended.stdout).toMatch(/git: inside the repository .*: commit the service there/)
    expect(ended.code).toBe(0)
  })

  it('the command names the files to replace, and asks before it replaces them', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    await writeFiles(cwd, { 'my-service/package.json': 'mine' })
    const flags = ['my-service', '--no-install', '--no-git', '--no-example', '--pm', 'npm']
    const refusing = terminal(cwd, flags)
    await refusing.shows('would replace (package.json). Replace them?')
    refusing.type('n')
    const refused = await refusing.ended
    expect(refused.stdout).toMatch(/nothing was written/)
    expect(refused.code).toBe(1)
    expect(await readdir(join(cwd, 'my-service'))).toEqual(['package.json'])
    const agreeing = terminal(cwd, flags)
    await agreeing.shows('Replace them?')
    agreeing.type('y')
    const agreed = await agreeing.ended
    expect(agreed.code).toBe(0)
    expect(lastLine(agreed.stdout)).toMatch(/ --force$/)
    expect(await readFile(join(cwd, 'my-service/package.json'), 'utf8')).toContain('"name": "my-service"')
  })

  it('the command asks nothing with --yes', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    const ended = await terminal(cwd, ['my-service', '--yes', '--no-install', '--no-git']).ended
    expect(ended.stdout).not.toMatch(/\?/)
    expect(ended.code).toBe(0)
  })

  it.each(['In which directory?', 'Include the example'])(
    'Ctrl-C at "%s" leaves nothing, exit 130',
    async (question) => {
      const cwd = await temporaryFolder(onTestFinished)
      const screen = terminal(cwd, question === 'In which directory?' ? [] : ['my-service'])
      await screen.shows(question)
      screen.type('\u0003')
      const ended = await screen.ended
      expect(ended.stdout).toMatch(/nothing was left behind/)
      expect(ended.code).toBe(130)
      expect(await readdir(cwd)).toEqual([])
    },
  )

  it('Ctrl-C while installing leaves nothing, exit 130', async () => {
    const cwd = await temporaryFolder(onTestFinished)
    const npm = await hangingNpm(onTestFinished)
    const screen = terminal(cwd, ['my-service', '--yes'], pathWith(npm))
    await eventually('npm to hang', () => pidIn(join(cwd, 'my-service/pid')))
    await screen.shows('Installing with npm')
    screen.type('\u0003')
    const ended = await screen.ended
    expect(ended.stdout).toMatch(/stopped by SIGINT, nothing was left behind/)
    expect(ended.code).toBe(130)
    expect(await readdir(cwd)).toEqual([])
  })
})

it('with a Node that is too old, the command prints one sentence', async () => {
  const [node = '', bin = ''] = commandLine
  const cwd = await temporaryFolder(onTestFinished)
  await cp(dirname(bin), join(cwd, 'dist'), { recursive: true })
  const manifest = await readFile(join(repository, 'package.json'), 'utf8')
  await writeFile(join(cwd, 'package.json'), manifest.replace('">=20.19"', '">=999.1"'))
  const ended = await run([node, join(cwd, 'dist', basename(bin)), 'my-service'], { cwd, env: {} })
  expect(ended).toEqual({
    code: 1,
    stdout: '',
    stderr: `create-mainstem: Node ${process.versions.node} is too old: install Node 999.1 or newer (https://nodejs.org)\n`,
  })
})

it('--help and --version, their short forms, and the word help', async () => {
  const cwd = await temporaryFolder(onTestFinished)
  const help = await create(cwd, ['--help'])
  for (const words of [['-h'], ['help'], ['help', '--json']]) expect(await create(cwd, words)).toEqual(help)
  expect(await create(cwd, ['-v'])).toEqual(await create(cwd, ['--version']))
  expect((await create(cwd, ['short-service', '-y', '--dry-run'])).code).toBe(0)
  expect(await readdir(cwd)).toEqual([])
  for (const flag of [
    'yes',
    'no-install',
    'no-git',
    'no-example',
    'pm',
    'dry-run',
    'json',
    'force',
    'verify',
  ]) {
    expect(help.stdout).toContain(`--${flag}`)
  }
  expect(help.code).toBe(0)
  const all = `${help.stdout}${(await create(cwd, ['update', '--help'])).stdout}`
  expect(all.split('\n').filter((line) => line.length > 80)).toEqual([])
  const manifest: unknown = JSON.parse(await readFile(join(repository, 'package.json'), 'utf8'))
  expect(manifest).toMatchObject({ version: (await create(cwd, ['--version'])).stdout.trimEnd() })
})
