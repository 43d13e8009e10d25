import { Project, type SourceFile } from 'ts-morph'

/** Parses a TypeScript text. Throws an Error of one sentence, with the line, if it has a syntax error. */
export function parse(path: string, text: string): SourceFile {
  const project = new Project({ useInMemoryFileSystem: true, skipLoadingLibFiles: true })
  const source = project.createSourceFile(`/${path}`, text)
  const [problem] = project.getProgram().getSyntacticDiagnostics(source)
  if (problem) {
    const message = problem.getMessageText()
    const why = typeof message === 'string' ? message : message.getMessageText()
    throw new Error(
      `${path}:${problem.getLineNumber()} does not parse (${why}): fix it and run the command again.`,
    )
  }
  return source
}
