using Allocator.Api.Web;
using Allocator.Contracts;
using FluentValidation;

namespace Allocator.Api.Vms;

internal sealed class VmSelectionValidator : AbstractValidator<VmSelection>
{
    public VmSelectionValidator()
    {
        RuleFor(selection => selection.Hostnames)
            .Must(names => names is null || (names.Count is > 0 and <= Limits.MaxNamed && names.All(name => Hostname.TryParse(name, out _))))
            .WithMessage($"Must be 1 to {Limits.MaxNamed:N0} host names.");
        RuleFor(selection => selection.Pool).IsPoolName();
        RuleFor(selection => selection.Text)
            .Must(Limits.IsSearchText).WithMessage($"Must be {Limits.SearchTextRule}.");
        // Guards against selecting every VM because a filter was forgotten.
        RuleFor(selection => selection.All)
            .Must((selection, all) => all != IsFiltered(selection))
            .WithMessage("Set `all` to true to select every VM; it cannot be combined with filters.");
    }

    private static bool IsFiltered(VmSelection selection) => selection with { All = false, DryRun = false } != new VmSelection();
}
