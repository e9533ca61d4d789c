"""Runs inside the jail, as text handed to Python: limits, then the program, then the proof.

The proof that a program came to its end is a random token, sent over a pipe of its own once the
last line has run: exiting early, with whatever status, proves nothing. At this level the program
shares the process with the token, so code that walks frames could still steal it, and code under
test may define objects that are equal to everything; the stronger tester outside the jail is
for that.
"""

DRIVER = """
import os, resource, sys
def limit(kind, value):
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))
source = sys.stdin.buffer
token = source.readline()
cpu, memory, file, processes, files = map(int, source.readline().split())
program = source.read().decode('utf-8', 'surrogatepass')
proof = os.dup(1)
os.dup2(2, 1)
os.close(0)
os.open('/dev/null', os.O_RDONLY)
limit(resource.RLIMIT_CPU, cpu)
limit(resource.RLIMIT_AS, memory)
limit(resource.RLIMIT_FSIZE, file)
limit(resource.RLIMIT_NPROC, processes)
limit(resource.RLIMIT_NOFILE, files)
limit(resource.RLIMIT_CORE, 0)
def main(program, token, proof, write=os.write, leave=os._exit):
    exec(compile(program, '<program>', 'exec'), {'__name__': '__main__'})
    write(proof, token)
    leave(0)
main(program, token, proof)
"""
