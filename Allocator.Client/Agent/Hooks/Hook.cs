namespace Allocator.Client.Agent.Hooks;

/// <summary>A kind of hook: a program that the operator provides and the client runs when something happens to its VM.</summary>
/// <param name="Setting">The setting below <c>Hooks</c> that holds its command.</param>
/// <param name="Option">The option of <c>allocator install</c> that sets it.</param>
/// <param name="Check">The name of its check in <c>allocator doctor</c>.</param>
/// <param name="Purpose">What the program does, for help texts.</param>
/// <param name="Command">Gets the configured program and its arguments; none if there is no such hook.</param>
internal sealed record Hook(string Setting, string Option, string Check, string Purpose, Func<ClientOptions, IReadOnlyList<string>> Command)
{
    public static readonly Hook Assigned = new(
        "Assigned", "--assigned-hook", "assigned hook", "prepares the VM for a person", options => options.AssignedHook);

    public static readonly Hook Released = new(
        "Released", "--released-hook", "released hook", "removes what the person left", options => options.ReleasedHook);

    public static readonly Hook LostContact = new(
        "LostContact", "--lost-contact-hook", "contact hook", "runs when the allocator has not answered for long, and when it answers again",
        options => options.LostContactHook);

    /// <summary>Gets every kind of hook; installing, checking and documenting them follows from this list.</summary>
    public static IReadOnlyList<Hook> All { get; } = [Assigned, Released, LostContact];
}
