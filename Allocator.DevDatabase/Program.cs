using System.Runtime.InteropServices;
using Allocator.DevDatabase;

if (args is not [var folder])
{
    await Console.Error.WriteLineAsync(
        "Usage: Allocator.DevDatabase FOLDER\n\nRuns a private PostgreSQL on the data in FOLDER until stopped, and prints its connection string.");
    return 2;
}

// Registered before the server starts, so that a signal during the start is not lost.
var stopped = new TaskCompletionSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
try
{
    await using var postgres = await PrivatePostgres.StartAsync(folder);
    Console.WriteLine(postgres.ConnectionString);
    await stopped.Task;
    return 0;
}
catch (PrivatePostgresException e)
{
    await Console.Error.WriteLineAsync(e.Message);
    return 1;
}

void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stopped.TrySetResult();
}
